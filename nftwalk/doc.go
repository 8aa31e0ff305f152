// Package nftwalk finds out what native rules of nftables do to packets. [FateOf] follows packets
// through the rules and says where they are dropped, and whether for certain. [BySource] finds the
// places that keep out one source and nobody else, [Stops] what ends packets to a port,
// [PublishedPorts] the ports that are sent on to containers, [Translated] where nat sends packets,
// [Owners] whose tables drop incoming packets. A match that is not understood makes an answer
// uncertain, never wrong: a rule that "perhaps" matches "perhaps" drops.
//
// It is pure: it reads no rules (package nft does). Package iptwalk does the same for rules of
// iptables. reach and advise import it.
package nftwalk
