// Package iptables reads the output of iptables-save and knows which rules in it are voipbl's.
// [ParseSaved] turns a listing into a [Saved]: tables, chains, rules and counters. [Words],
// [Option] and [Target] take a rule apart. A chain is voipbl's if its name begins with
// [ChainPrefix], a rule if its comment begins with [CommentPrefix] ([IsOurs], [Saved.Own]). A
// [Table] is such rules as text.
//
// It is pure: package firewall runs the tools, package ruleset writes the rules that are wanted,
// and package iptwalk finds out what rules do to packets. All these import it, as do rules,
// trial, reach and the agent.
package iptables
