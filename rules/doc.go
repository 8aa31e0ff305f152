// Package rules decides which firewall rules this host should have, whether they may be
// installed now, applies them, and reports how they stand. A pure function, decide, makes a
// [Decision] from what is asked for (want), what was found (sight) and the [Circumstances] of
// whoever will act. status, diff and a dry run show it; apply, sync and the agent carry the same
// one out with [Hold.Commit].
//
// It does not write rules as text (package ruleset), run the tools of iptables (package
// firewall), or put base rules on trial (package trial). It stands on ruleset, firewall, ipsetsync,
// exempt, reach and lockout; trial, blocklist, bans, the agent and the commands import it.
package rules
