// Package nft reads the native rules of nf_tables, which the tools of iptables do not
// show: those of firewalld, of FreePBX 18, of Docker and Podman, of fail2ban, of an admin's
// nftables.conf.
//
// [Read] takes the rules of the network namespace by netlink and makes plain values of
// them, a [Ruleset]; nothing is changed. [Rule.String] writes a rule nearly as nft does,
// [Ruleset.Owns] says whether a program's tables are there. What the rules do to packets is
// said by package nftwalk.
//
// The expressions are decoded by github.com/google/nftables/expr. The messages around them
// are read here, since that library leaves out expressions that it does not know (a rule
// without one of its matches would look as if it dropped everything), and gives up on a whole
// table where one set has a type that is new to it.
//
// Of tables that the tools of iptables may have made only that is read which those tools
// leave out, or show wrong, unless all of them is asked for: package iptables reads what they
// show. [Listed] counts what they have to show.
package nft
