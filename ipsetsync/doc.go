// Package ipsetsync makes a kernel ipset hold exactly the prefixes of a [cidr.Set], by
// netlink messages and one swap, so that no packet meets a half-filled set. It also
// adds and removes single bans, and reads sets of other programs. It does not decide
// what is blocked, and knows no rules, feeds or configuration. It stands on cidr alone.
//
// It compares the desired set with the live one, never with a record of earlier runs.
// The difference is a [Plan], a value that is printed for --dry-run and executed
// otherwise:
//
//	desired Set ─┐
//	             ├─► NewPlan ─► Plan ─► Kernel.Execute: create temporary set,
//	Kernel.Dump ─┘                       fill, count, swap, destroy
//
// The live set is never written to. A packet meets the old set or the new one, and a
// run that is killed leaves at most a temporary set, which the next run removes.
//
// File names such as ip_set_core.c are those of the Linux sources in
// net/netfilter/ipset; wire.go quotes the headers.
package ipsetsync
