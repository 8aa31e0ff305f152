package nft

import (
	"slices"
	"strings"
)

// The names of owners that are recognised by their tables.
const (
	Firewalld = "firewalld"
	FreePBX   = "FreePBX's firewall"
	Docker    = "Docker"
	Podman    = "Podman"
	Fail2ban  = "fail2ban"
)

// OwnerOf returns the name of a table's owner.
func OwnerOf(t *Table) string {
	switch {
	case t.Name == "firewalld":
		return Firewalld
	case t.Family == Inet && t.Name == "fpbx", t.Family == IPv4 && t.Name == "fpbxnat":
		return FreePBX
	case t.Name == "docker-bridges":
		return Docker
	case t.Name == "netavark":
		return Podman
	case strings.HasPrefix(t.Name, "f2b-"):
		return Fail2ban
	}
	for _, c := range t.Chains {
		if c.Hook != "" && OfIPTables(t.Family, t.Name) {
			return "nftables (" + Named(t.String(), c.Name) + ")"
		}
	}
	return "nftables (" + t.String() + ")"
}

// Named names what to remove, in nft's words, to end what a base chain does: the table, or only
// the chain if other programs have rules in the same table, one of iptables.
func Named(table, chain string) string {
	if family, name, _ := strings.Cut(table, " "); OfIPTables(Family(family), name) {
		return table + " " + chain
	}
	return table
}

// WhatIs says whether such a name is that of a table or of a chain.
func WhatIs(named string) string {
	if strings.Count(named, " ") > 1 {
		return "chain"
	}
	return "table"
}

// Owns reports whether one of the tables belongs to that owner.
func (r *Ruleset) Owns(name string) bool {
	return slices.ContainsFunc(r.Tables, func(t Table) bool { return !t.Dormant && OwnerOf(&t) == name })
}
