// Package firewall lists the rules that the kernel holds and changes them, with the tools of
// iptables. [Firewall.Read] lists them, [NewPlan] compares them with the rules that are wanted,
// and [Firewall.Apply] executes the plan, with one atomic restore for each table. It leaves the
// rules of other programs alone.
//
// It does not decide which rules are wanted (package rules) or write them (package ruleset), and
// it does not know ipsets: a set must exist before a rule that refers to it is applied. It
// stands on iptables, iptwalk, nft and ruleset; rules, trial, reach, blocklist, bans and the
// agent import it.
package firewall
