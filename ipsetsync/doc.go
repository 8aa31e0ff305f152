// Package ipsetsync makes a kernel ipset hold what a [cidr.Set] says, by
// netlink messages and without a moment at which it holds anything else.
//
// It compares the desired set with the live one, never with a memory of what
// was done before. The difference is a [Plan], a value that is printed for
// --dry-run and executed otherwise:
//
//	desired Set ─┐
//	             ├─► NewPlan ─► Plan ─► Kernel.Execute: create temporary set,
//	Kernel.Dump ─┘                       fill, count, swap, destroy
//
// The live set is never written. A reader of the kernel sees the old set or the
// new one, and a run that is killed leaves at most a temporary set, which the
// next run removes.
//
// Where the code speaks of the kernel's side it means net/netfilter/ipset of
// the Linux sources; wire.go quotes the headers.
package ipsetsync
