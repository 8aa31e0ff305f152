package firewall

import (
	"context"
	"slices"
	"unsafe"

	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/nft"
)

// Renew reads the counters of the chains in which the drop may stand into the listings that ctx keeps
// (see [AtOneMoment]), from the kernel itself: it runs no tool. What cannot be renewed is listed
// again when it is asked for.
func Renew(ctx context.Context) {
	m := momentOf(ctx)
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for b, saved := range m.listed {
		if !b.renew(ctx, saved) {
			delete(m.listed, b)
		}
	}
}

// renew puts counters into a listing. It reports false if the chains have other rules now. (If they
// are as many and not the same, the generation tells.)
func (b Backend) renew(ctx context.Context, saved [2]*iptables.Saved) bool {
	counted := make(map[nft.ChainName][]iptables.SavedRule)
	var chains []nft.ChainName
	for _, f := range iptables.Families {
		for _, at := range iptables.DropPlaces {
			if rules := saved[f].Rules(at.Table, at.Chain); len(rules) > 0 {
				c := nft.ChainName{Family: nftFamilies[f], Table: at.Table, Chain: at.Chain}
				chains, counted[c] = append(chains, c), rules
			}
		}
	}
	if len(chains) == 0 {
		return true
	}
	read := nft.Counts
	if b == Legacy {
		read = legacyCounts
	}
	counts, err := read(ctx, chains)
	for c, rules := range counted {
		if err != nil || len(counts[c]) != len(rules) {
			return false
		}
		for i, n := range counts[c] {
			rules[i].Packets, rules[i].Bytes = n.Packets, n.Bytes
		}
	}
	return true
}

var nftFamilies = [2]nft.Family{nft.IPv4, nft.IPv6}

// legacyCounts is [nft.Counts] for built-in chains of legacy tables.
func legacyCounts(_ context.Context, chains []nft.ChainName) (map[nft.ChainName][]nft.Count, error) {
	counts := make(map[nft.ChainName][]nft.Count)
	for _, c := range chains {
		form := entryForms[slices.Index(nftFamilies[:], c.Family)]
		var info iptGetinfo
		var rules []byte
		err := form.sockets.Use(func(sock int) (err error) {
			info, rules, err = legacyEntries(sock, form, c.Table)
			return err
		})
		if err != nil {
			return nil, err
		}
		hook := 0
		for _, at := range iptables.DropPlaces {
			if at.Chain == c.Chain {
				hook = at.Hook
			}
		}
		if counts[c], err = form.counts(rules, int(info.hookEntry[hook]), int(info.underflow[hook])); err != nil {
			return nil, err
		}
	}
	return counts, nil
}

// counts reads the counters of the entries from begin to end, which is the chain's policy.
func (form entryForm) counts(rules []byte, begin, end int) (counts []nft.Count, err error) {
	if begin > end || end > len(rules) {
		return nil, errForm
	}
	for at := begin; at < end; {
		next, err := form.following(rules[at:end])
		if err != nil {
			return nil, err
		}
		n := *(*[2]uint64)(unsafe.Pointer(&rules[at+form.counters]))
		counts = append(counts, nft.Count{Packets: n[0], Bytes: n[1]})
		at += next
	}
	return counts, nil
}
