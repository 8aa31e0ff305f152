package nft

import (
	"slices"
	"strings"
)

// Owner is a program, or an admin, whose tables these are.
type Owner struct {
	Name   string   `json:"name"` // such as "firewalld"; what is not known is "nftables (inet filter)"; see [Named]
	Tables []string `json:"tables"`

	// Closes is that it drops what strangers send to this host: it is a firewall, beside
	// which another one undoes what it lets in.
	Closes bool `json:"closes"`
}

// The names of owners that are known by their tables.
const (
	Firewalld = "firewalld"
	FreePBX   = "FreePBX's firewall"
	Docker    = "Docker"
	Podman    = "Podman"
	Fail2ban  = "fail2ban"
)

// ownerOf names the owner of a table by its name.
func ownerOf(t *Table) string {
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
		if c.Hook != "" && ofIPTables(t.Family, t.Name) {
			return "nftables (" + Named(t.String(), c.Name) + ")"
		}
	}
	return "nftables (" + t.String() + ")"
}

// Named names what may be taken out to end what a base chain does, as nft does: the table,
// or the chain alone where others have rules in the same table, those of iptables.
func Named(table, chain string) string {
	if family, name, _ := strings.Cut(table, " "); ofIPTables(Family(family), name) {
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

// parts are the tables, those of iptables' names once for each base chain: the rest of such
// a table may be somebody else's.
func (r *Ruleset) parts() (all []*Table) {
	for i := range r.Tables {
		t := &r.Tables[i]
		if !ofIPTables(t.Family, t.Name) {
			all = append(all, t)
			continue
		}
		for _, base := range t.Chains {
			if base.Hook == "" {
				continue
			}
			part := *t
			part.Chains = slices.DeleteFunc(slices.Clone(t.Chains), func(c Chain) bool { return c.Hook != "" && c.Name != base.Name })
			all = append(all, &part)
		}
	}
	return all
}

// Owners are those whose tables drop packets that come in, or send them elsewhere, in the
// order of their tables.
func (r *Ruleset) Owners() []Owner {
	var all []Owner
	for _, t := range r.parts() {
		name := ownerOf(t)
		known := !strings.HasPrefix(name, "nftables (")
		if t.Dormant || !known && !t.matters() {
			continue
		}
		at := slices.IndexFunc(all, func(o Owner) bool { return o.Name == name })
		if at < 0 {
			all, at = append(all, Owner{Name: name}), len(all)
		}
		all[at].Tables = append(all[at].Tables, t.String())
		all[at].Closes = all[at].Closes || name == Firewalld || name == FreePBX && t.Name == "fpbx" || !known && t.closes()
	}
	return all
}

// Owns reports whether one of the tables is that owner's.
func (r *Ruleset) Owns(name string) bool {
	return slices.ContainsFunc(r.Tables, func(t Table) bool { return !t.Dormant && ownerOf(&t) == name })
}

// matters reports whether a table may drop what comes in, or send it elsewhere.
func (t *Table) matters() bool {
	in := func(h Hook) bool { return h == Ingress || h == Prerouting || h == Input || h == Forward }
	ends := func(v *Verdict) bool { return v.Kind == Drop || v.Kind == Reject }
	drops := slices.ContainsFunc(t.Chains, func(c Chain) bool {
		return in(c.Hook) && c.Drops || slices.ContainsFunc(c.Rules, func(r Rule) bool {
			return slices.ContainsFunc(r.Steps, func(s Step) bool { return s.NAT != nil || s.Verdict != nil && ends(s.Verdict) })
		})
	})
	for _, s := range t.Sets {
		drops = drops || slices.ContainsFunc(s.elements, func(e element) bool { return e.verdict != nil && ends(e.verdict) })
	}
	return drops && slices.ContainsFunc(t.Chains, func(c Chain) bool { return in(c.Hook) })
}

// closes reports whether a table drops some of what strangers send to this host, by what
// is understood of it: not as a flood, and not for where it comes from.
func (t *Table) closes() bool {
	alone := Ruleset{Tables: []Table{*t}}
	for _, is6 := range []bool{false, true} {
		for _, d := range alone.Fate(Packet{Is6: is6}).Drops {
			if !d.Unknown && d.Hook != Ingress {
				return true
			}
		}
	}
	return false
}
