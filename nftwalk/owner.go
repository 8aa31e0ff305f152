package nftwalk

import (
	"slices"
	"strings"

	"github.com/voipbl/voipbl/nft"
)

// Owner is a program, or an admin, that owns tables.
type Owner struct {
	Name   string   `json:"name"` // such as "firewalld"; an unknown one is "nftables (inet filter)"; see [nft.Named]
	Tables []string `json:"tables"`

	// Closes means that it drops what strangers send to this host. Such a firewall undoes what
	// another one beside it lets in.
	Closes bool `json:"closes"`
}

// parts returns the tables. A table with a name of iptables' comes once for each base chain, since
// the rest of it may be another program's.
func parts(r *nft.Ruleset) (all []*nft.Table) {
	for i := range r.Tables {
		t := &r.Tables[i]
		if !nft.OfIPTables(t.Family, t.Name) {
			all = append(all, t)
			continue
		}
		for _, base := range t.Chains {
			if base.Hook == "" {
				continue
			}
			part := *t
			part.Chains = slices.DeleteFunc(slices.Clone(t.Chains), func(c nft.Chain) bool { return c.Hook != "" && c.Name != base.Name })
			all = append(all, &part)
		}
	}
	return all
}

// Owners returns those whose tables drop incoming packets, or send them elsewhere, in the order of
// their tables.
func Owners(r *nft.Ruleset) []Owner {
	var all []Owner
	for _, t := range parts(r) {
		name := nft.OwnerOf(t)
		known := !strings.HasPrefix(name, "nftables (")
		if t.Dormant || !known && !matters(t) {
			continue
		}
		at := slices.IndexFunc(all, func(o Owner) bool { return o.Name == name })
		if at < 0 {
			all, at = append(all, Owner{Name: name}), len(all)
		}
		all[at].Tables = append(all[at].Tables, t.String())
		all[at].Closes = all[at].Closes || name == nft.Firewalld || name == nft.FreePBX && t.Name == "fpbx" || !known && closesTable(t)
	}
	return all
}

// matters reports whether a table may drop incoming packets or send them elsewhere.
func matters(t *nft.Table) bool {
	in := func(h nft.Hook) bool {
		return h == nft.Ingress || h == nft.Prerouting || h == nft.Input || h == nft.Forward
	}
	ends := func(v *nft.Verdict) bool { return v.Kind == nft.Drop || v.Kind == nft.Reject }
	drops := slices.ContainsFunc(t.Chains, func(c nft.Chain) bool {
		return in(c.Hook) && c.Drops || slices.ContainsFunc(c.Rules, func(r nft.Rule) bool {
			return slices.ContainsFunc(r.Steps, func(s nft.Step) bool { return s.NAT != nil || s.Verdict != nil && ends(s.Verdict) })
		})
	})
	for _, s := range t.Sets {
		drops = drops || slices.ContainsFunc(s.Elements, func(e nft.Element) bool { return e.Verdict != nil && ends(e.Verdict) })
	}
	return drops && slices.ContainsFunc(t.Chains, func(c nft.Chain) bool { return in(c.Hook) })
}

// closesTable reports whether a table drops some of what strangers send to this host, as far as it
// is understood. Drops of floods, or because of the source, do not count.
func closesTable(t *nft.Table) bool {
	alone := nft.Ruleset{Tables: []nft.Table{*t}}
	for _, is6 := range []bool{false, true} {
		for _, d := range FateOf(&alone, Packet{Is6: is6}).Drops {
			if !d.Unknown && d.Hook != nft.Ingress {
				return true
			}
		}
	}
	return false
}
