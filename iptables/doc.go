// Package iptables reads what iptables-save tells, and knows which of it voipbl has made.
//
// [ParseSaved] makes a [Saved] of a listing: tables, chains, rules and what these have
// counted. The words of a rule are read by [Words], [Option] and [Target]. Whatever a rule
// or a chain is, it is either ours (a chain whose name begins with [ChainPrefix], a rule
// whose comment begins with [CommentPrefix]) or somebody else's: [IsOurs], [Saved.Own].
// What is ours, or is to be, is a [Table] of text.
//
// The package is pure: package firewall runs the tools, package ruleset makes the rules
// that are wanted, and package iptwalk says what rules do to packets.
package iptables
