package exempt

import (
	"context"
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/state"
)

// Exemption tells whether one address or prefix is exempt, which is: never blocked on
// this host.
type Exemption struct {
	Query   string      `json:"query"`
	Exempt  bool        `json:"exempt"`  // all of it
	Because []Protected `json:"because"` // the exempt prefixes that have any of it

	// Special is the special-purpose space that it is in, which no list blocks, and NeverBanned
	// that no ban does either.
	Special     string `json:"special,omitempty"`
	NeverBanned bool   `json:"never_banned,omitempty"`
}

// Report is what [Ask] found.
type Report struct {
	Exemptions []Exemption

	// Unresolved are the names of allow and trunks whose addresses nobody knows: the
	// answer says nothing about these.
	Unresolved []string
}

// Ask tells of each query whether it is exempt. It reads the configuration, what the
// host looks like and the last DNS answers, but no feed and no set, for programs that
// ask often. It works without an agent and without a state folder. Whoever is exempt by
// what can be read is exempt; of the others, names of which the answers cannot be read
// are an error, never "not exempt".
func Ask(ctx context.Context, cfg config.Config, queries []netip.Prefix) (*Report, error) {
	store, unread := state.FindStore(cfg)
	if unread != nil {
		store = nil
	}
	if store != nil {
		defer store.Close()
		_, unread = keptNames(cfg, store)
	}
	p, err := GatherLast(ctx, cfg, store)
	if err != nil {
		return nil, err
	}
	report := &Report{Exemptions: p.exemptions(queries), Unresolved: p.Unprotected}
	stranger := slices.ContainsFunc(report.Exemptions, func(e Exemption) bool { return !e.Exempt })
	if unread != nil && len(p.Unprotected) > 0 && stranger {
		return nil, unread
	}
	if p.unread != nil && stranger {
		return nil, p.unread
	}
	return report, nil
}

// exemptions answers the queries.
func (p *Protection) exemptions(queries []netip.Prefix) []Exemption {
	found := make([]Exemption, len(queries))
	for i, q := range queries {
		q = unmapped(q)
		_, never := cidr.FindNeverBanned(cidr.FromNetip(q))
		found[i] = Exemption{
			Query: cidr.Text(q), Exempt: p.Exempts(q),
			Because: append([]Protected{}, p.Covering(q)...), Special: SpecialSpace(q), NeverBanned: never,
		}
	}
	return found
}

// Exempts reports whether all of q is exempt.
func (p *Protection) Exempts(q netip.Prefix) bool { return p.Sets.Contains(cidr.FromNetip(q)) }

// unmapped is the IPv4 prefix that an IPv6 one stands for, as logs of sockets of both
// families write it: "::ffff:198.51.100.7".
func unmapped(q netip.Prefix) netip.Prefix {
	if a := q.Addr(); a.Is4In6() && q.Bits() >= 96 {
		return netip.PrefixFrom(a.Unmap(), q.Bits()-96)
	}
	return q
}

// SpecialSpace is the special-purpose space that a prefix is in; empty if it is in none.
func SpecialSpace(q netip.Prefix) string {
	s, found := cidr.FindSpecial(cidr.FromNetip(q))
	if !found {
		return ""
	}
	return s.Name + " (" + s.Prefix.String() + ", " + s.Source + ")"
}

// maxFriends bounds for how many of those who are exempt the rules are gone through.
const maxFriends = 512

// Local reports whether nothing but local_networks has it: that some of these hosts are kept
// out by a rule is what networks are divided for.
func (p Protected) Local() bool {
	return !slices.ContainsFunc(p.Reasons, func(reason string) bool { return reason != localReason })
}

// Friends are who is exempt, in order, but for this host itself: that nobody else may send
// from its addresses cuts nobody off.
func (p *Protection) Friends() []Protected {
	var all []Protected
	for _, family := range []string{"0.0.0.0/0", "::/0"} {
		everybody := Protected{Prefix: netip.MustParsePrefix(family)}
		entries, _ := p.index.CoveredNetworks(everybody.Network())
		for _, entry := range entries {
			if e := entry.(*Protected); !slices.Equal(e.Reasons, []string{OwnAddressReason}) && len(all) < maxFriends {
				all = append(all, *e)
			}
		}
	}
	return all
}
