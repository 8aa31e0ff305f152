// Package reach follows packets through all rules of this host, voipbl's and others': where
// packets of an address are dropped, by whose rule or set, and which ports of this host or of
// containers they still reach. It knows both backends of iptables, native tables of nftables,
// and the rules that are saved for the next boot.
//
// It only reads: package rules makes voipbl's rules. It stands on iptwalk and nftwalk, which follow
// packets through one kind of rules, and on ipsetsync for the members of sets.
package reach
