// Package nft reads the native rules of nf_tables, which the tools of iptables do not
// show, and tells what they do to packets: those of firewalld, of FreePBX 18, of Docker
// and Podman, of fail2ban, of an admin's nftables.conf.
//
// [Read] takes the rules of the network namespace by netlink and makes plain values of
// them; nothing is changed. All else is pure: [Ruleset.Fate] walks the rules as a packet
// does, [Ruleset.Published] finds the ports that are sent on to containers,
// [Ruleset.Owners] says whose tables they are.
//
// What a rule asks that this package does not know makes an answer uncertain, never
// wrong: a rule that matches "perhaps" drops "perhaps". The expressions are decoded by
// github.com/google/nftables/expr. The messages around them are read here, since that
// library leaves out expressions that it does not know (a rule without one of its
// matches would look as if it dropped everything), and gives up on a whole table where
// one set has a type that is new to it.
//
// Of tables that the tools of iptables may have made only that is read which those tools
// leave out, or show wrong, unless all of them is asked for: package firewall reads those.
package nft
