package nft

import (
	"slices"
	"strings"
)

// The names of owners that are known by their tables.
const (
	Firewalld = "firewalld"
	FreePBX   = "FreePBX's firewall"
	Docker    = "Docker"
	Podman    = "Podman"
	Fail2ban  = "fail2ban"
)

// OwnerOf names the owner of a table by its name.
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

// Named names what may be taken out to end what a base chain does, as nft does: the table,
// or the chain alone where others have rules in the same table, those of iptables.
func Named(table, chain string) string {
	if family, name, _ := strings.Cut(table, " "); OfIPTables(Family(family), name) {
		return table + " " + chain
	}
	return table
}

// WhatIs is what such a name is of: a table, or a chain of it.
func WhatIs(named string) string {
	if strings.Count(named, " ") > 1 {
		return "chain"
	}
	return "table"
}

// Owns reports whether one of the tables is that owner's.
func (r *Ruleset) Owns(name string) bool {
	return slices.ContainsFunc(r.Tables, func(t Table) bool { return !t.Dormant && OwnerOf(&t) == name })
}
