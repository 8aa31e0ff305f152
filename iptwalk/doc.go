// Package iptwalk finds out what iptables rules of any program do to packets. A [Tracer] follows
// packets of a source, or of a stranger (whom no rule and no set names), through all tables:
// [Tracer.Places] says where they are dropped, [Tracer.Stops] what certainly ends them,
// [Tracer.Translated] where nat sends them. [Shadowed] finds rules that no packet reaches,
// [AccessOf] and [BaseAccess] from where a port can be reached, [ReceptionOf] what becomes of
// strangers. A match that is not understood makes an answer uncertain, never wrong.
//
// It is pure: it reads no rules (package iptables does) and asks its caller what sets contain.
// Package nftwalk does the same for native rules of nftables. rules, reach, lockout, firewall,
// migrate and advise import it.
package iptwalk
