// Package firewall turns settings into iptables rules and puts them into the
// kernel: the drop of blocked addresses, and the base rules of a PBX host.
//
// The way goes one direction. [Settings.Tables] renders what is wanted, as text
// and without looking at the host. [Firewall.Read] reads what the kernel holds.
// [NewPlan] compares the two; a plan can be printed, and [Firewall.Apply]
// executes it, one atomic restore for each table. Whatever a rule or a chain in
// the kernel is, it is either ours (a chain whose name begins with [iptables.ChainPrefix],
// a rule whose comment begins with [iptables.CommentPrefix]) or it is left alone.
//
// The package does not know ipsets: whoever applies rules that refer to a set
// makes the set first.
package firewall
