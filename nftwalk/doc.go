// Package nftwalk says what native rules of nftables do to packets.
//
// [FateOf] walks the rules as a packet does: where it is dropped, and whether for certain.
// [BySource] are the places that keep out a source, and nobody else, [Stops] what ends
// packets to a port, [PublishedPorts] the ports that are sent on to containers, [Translated]
// where nat sends packets, [Owners] whose tables drop what comes in.
//
// What a rule asks that this package does not know makes an answer uncertain, never wrong: a
// rule that matches "perhaps" drops "perhaps". The package is pure: it has the rules from
// package nft. Package iptwalk does the same for rules of iptables.
package nftwalk
