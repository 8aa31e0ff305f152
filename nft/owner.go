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
