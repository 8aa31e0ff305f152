// Package iptwalk says what the rules of iptables do to packets, whoever has made them.
//
// A [Tracer] follows packets of a source, or of a stranger, through all tables: [Tracer.Places]
// are where they are dropped, [Tracer.Stops] what ends them for certain, [Tracer.Translated]
// where nat sends them. [Shadowed] finds rules that no packet can come to, [AccessOf] and
// [BaseAccess] from where a port can be reached, [ReceptionOf] what becomes of strangers.
//
// What a rule asks that this package does not know makes an answer uncertain, never wrong.
// The package is pure: it has the rules from package iptables, and asks its caller what sets
// have. Package nftwalk does the same for native rules of nftables.
package iptwalk
