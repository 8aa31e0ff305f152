// Package firewall brings rules into the kernel by the tools of iptables, and lists what the
// kernel holds.
//
// The way goes one direction. Package ruleset renders what is wanted, as text and without
// looking at the host. [Firewall.Read] reads what the kernel holds, as package iptables has
// it. [NewPlan] compares the two; a plan can be printed, and [Firewall.Apply] executes it,
// one atomic restore for each table. What is not ours is left alone.
//
// The package does not know ipsets: whoever applies rules that refer to a set
// makes the set first.
package firewall
