package exempt

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/state"
)

// Exemption says whether an address or prefix is exempt, that is, never blocked on this
// host.
type Exemption struct {
	Query   string      `json:"query"`
	Exempt  bool        `json:"exempt"`  // the whole prefix is exempt
	Because []Protected `json:"because"` // the exempt prefixes that overlap it

	// Unlisted are addresses in it that no list blocks, but a ban does: those of registered phones.
	Unlisted []Protected `json:"unlisted,omitempty"`

	// ByNoList reports that no list blocks any of it.
	ByNoList bool `json:"-"`

	// Special is the special-purpose space that it is in, which lists never block.
	// NeverBanned is true if bans do not block it either.
	Special     string `json:"special,omitempty"`
	NeverBanned bool   `json:"never_banned,omitempty"`
}

// Report is the result of [Ask].
type Report struct {
	Exemptions []Exemption

	// Unresolved are the names in allow and trunks whose addresses are not known. The
	// answers do not take them into account.
	Unresolved []string

	// PhonesUnread is why registered phones are not known.
	PhonesUnread *problem.Problem
}

// Ask says for each query whether it is exempt. It reads the configuration, the host's
// networks and the last DNS answers, but no feeds and no sets, so that programs can
// call it often. It works without an agent and without a state folder. If the DNS
// answers cannot be read, queries that are exempt without them are still answered; for
// the others Ask returns an error, never "not exempt".
//
// Only if phones is true does it read the list of registered phones, which changes no answer, but says
// more.
func Ask(ctx context.Context, cfg config.Config, queries []netip.Prefix, phones bool) (*Report, error) {
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
	report, lists := &Report{Unresolved: p.Unprotected}, p
	if phones {
		var registered known.List
		registered, report.PhonesUnread = known.Read(cfg)
		if lists, err = p.FromLists(registered); err != nil {
			return nil, err
		}
	}
	report.Exemptions = p.Exemptions(queries, lists)
	stranger := slices.ContainsFunc(report.Exemptions, func(e Exemption) bool { return !e.Exempt })
	if unread != nil && len(p.Unprotected) > 0 && stranger {
		return nil, unread
	}
	if p.unread != nil && stranger {
		return nil, p.unread
	}
	return report, nil
}

// NameNow returns the state of a name in allow or trunks, by the last good DNS answers.
func NameNow(ctx context.Context, cfg config.Config, name string) (NameStatus, bool) {
	store, err := state.FindStore(cfg)
	if err != nil {
		store = nil
	}
	if store != nil {
		defer store.Close()
	}
	for _, n := range LastAnswers(ctx, cfg, store).status() {
		if strings.TrimSuffix(n.Name, ".") == strings.TrimSuffix(name, ".") {
			return n, true
		}
	}
	return NameStatus{}, false
}

// Exemptions answers the queries. lists is what no list blocks; see [Protection.FromLists].
func (p *Protection) Exemptions(queries []netip.Prefix, lists *Protection) []Exemption {
	found := make([]Exemption, len(queries))
	for i, q := range queries {
		q = unmapped(q)
		_, never := cidr.FindNeverBanned(cidr.FromNetip(q))
		found[i] = Exemption{
			Query: cidr.Text(q), Exempt: p.Exempts(q),
			Because: append([]Protected{}, p.Covering(q)...), Special: SpecialSpace(q), NeverBanned: never,
			Unlisted: lists.phones(q), ByNoList: lists.Exempts(q),
		}
	}
	return found
}

// phones returns the addresses in q, or around it, that are exempt since a phone is registered from them.
func (p *Protection) phones(q netip.Prefix) (all []Protected) {
	for _, e := range p.Covering(q) {
		e.Reasons = slices.DeleteFunc(slices.Clone(e.Reasons), func(reason string) bool { return !strings.HasPrefix(reason, PhoneReason) })
		if len(e.Reasons) > 0 {
			all = append(all, e)
		}
	}
	return all
}

// Exempts reports whether all of q is exempt.
func (p *Protection) Exempts(q netip.Prefix) bool { return p.Sets.Contains(cidr.FromNetip(q)) }

// unmapped returns the IPv4 prefix for an IPv4-mapped one, such as
// "::ffff:198.51.100.7", which programs with a socket for both families log.
func unmapped(q netip.Prefix) netip.Prefix {
	if a := q.Addr(); a.Is4In6() && q.Bits() >= 96 {
		return netip.PrefixFrom(a.Unmap(), q.Bits()-96)
	}
	return q
}

// SpecialSpace returns the special-purpose space that a prefix is in, for people; "" if
// it is in none.
func SpecialSpace(q netip.Prefix) string {
	s, found := cidr.FindSpecial(cidr.FromNetip(q))
	if !found {
		return ""
	}
	return s.Name + " (" + s.Prefix.String() + ", " + s.Source + ")"
}

// maxFriends is for how many exempt prefixes the rules are searched.
const maxFriends = 512

// Local reports whether the prefix is exempt only through local_networks. A rule that keeps
// out some hosts of a local network is normal.
func (p Protected) Local() bool {
	return !slices.ContainsFunc(p.Reasons, func(reason string) bool { return reason != localReason })
}

// Friends returns the exempt prefixes in order, without this host's own addresses: a rule
// against packets from these cuts off nobody.
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
