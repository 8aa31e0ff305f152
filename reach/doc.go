// Package reach follows packets through rules: where those of an address are dropped, by
// whose rule or set, and what reaches ports of this host or of containers all the same. It
// knows the rules of both backends of iptables, native tables of nftables, and the rules
// that are saved for the next boot.
//
// It only reads. Rules of voipbl's own are made by package rules.
package reach
