// Package nft reads native rules of nftables, which the tools of iptables do not show: those of
// firewalld, FreePBX 18, Docker, Podman, fail2ban or an admin's nftables.conf. [Read] takes the rules
// of the network namespace by netlink and returns plain values, a [Ruleset]; [Rule.String] writes
// a rule nearly as nft does, [Ruleset.Owns] says whether a program's tables are there, and
// [Listed] counts what the tools of iptables should list.
//
// It changes nothing, and it does not say what rules do to packets: package nftwalk does. It
// imports no other package of voipbl's; nftwalk, reach, firewall and advise import it.
//
// Expressions are decoded by github.com/google/nftables/expr. The messages around them are read
// here, since that library leaves out expressions that it does not know (a rule without one of its
// matches would seem to drop everything), and rejects a whole table if one set has an unknown
// type.
//
// In tables that the tools of iptables may have made, only what those tools leave out or show
// wrong is read, unless all is asked for: package iptables reads the rest.
package nft
