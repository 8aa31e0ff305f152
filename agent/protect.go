package agent

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/yl2chen/cidranger"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
)

// Protected is a prefix that is never blocked, and why.
type Protected struct {
	Prefix  netip.Prefix `json:"prefix"`
	Reasons []string     `json:"reasons"`
}

// Network makes a Protected an entry of a cidranger index.
func (p *Protected) Network() net.IPNet {
	addr := p.Prefix.Addr()
	return net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(p.Prefix.Bits(), addr.BitLen())}
}

// Protection is everything that is never blocked on this host, as sets to
// subtract and as an index to ask.
type Protection struct {
	sets        cidr.Sets
	index       cidranger.Ranger
	problems    []string
	unprotected []string // names of allow and trunks without any address
	trunks      []netip.Prefix
}

// protection gathers the protected addresses of the configuration and the host.
// store may be nil if there is no state folder yet.
func protection(ctx context.Context, cfg config.Config, store *fetch.Store, how lookups) (*Protection, error) {
	var list protectedList
	own, err := ownAddresses()
	if err != nil {
		return nil, err
	}
	list.addAddrs(own, "this host's own address")
	gws, err := gateways()
	if err != nil {
		return nil, err
	}
	list.addAddrs(gws, "default gateway")
	list.addAddrs(resolvers(resolvConfs), "DNS resolver")
	list.addAddrs(sessionPeers(), "logged-in SSH session")
	for _, p := range cfg.Firewall.LocalNetworks {
		list.add(p, "local_networks")
	}
	named := make(map[string][]string) // reasons by DNS name
	list.addHosts(cfg.Allow, "allow", named)
	list.addHosts(cfg.Firewall.Trunks, "trunks", named)
	wanted := sortedKeys(named)
	for _, f := range cfg.Feeds {
		list.addFeedHost(f, named)
	}
	answers := resolve(ctx, store, sortedKeys(named), how)
	for name, a := range answers.answers {
		for _, reason := range named[name] {
			list.addAddrs(a.Addrs, reason+" ("+name+")")
		}
	}
	p, err := list.index()
	if err != nil {
		return nil, err
	}
	p.problems = answers.problems
	p.trunks = hostPrefixes(cfg.Firewall.Trunks, answers.answers)
	for _, name := range answers.never {
		if slices.Contains(wanted, name) {
			p.unprotected = append(p.unprotected, name)
			p.problems = append(p.problems, fmt.Sprintf("%s of %s is not protected: write its address instead, or mend DNS", name, strings.Join(named[name], " and ")))
		}
	}
	return p, nil
}

// protectedList collects the reasons for each prefix.
type protectedList map[netip.Prefix][]string

func (l *protectedList) add(p netip.Prefix, reason string) {
	if *l == nil {
		*l = make(protectedList)
	}
	if !slices.Contains((*l)[p], reason) {
		(*l)[p] = append((*l)[p], reason)
	}
}

func (l *protectedList) addAddrs(addrs []netip.Addr, reason string) {
	for _, a := range addrs {
		a = a.Unmap().WithZone("")
		l.add(netip.PrefixFrom(a, a.BitLen()), reason)
	}
}

func (l *protectedList) addHosts(hosts []config.Host, reason string, named map[string][]string) {
	for _, h := range hosts {
		if h.Name != "" {
			named[h.Name] = append(named[h.Name], reason)
		} else {
			l.add(h.Prefix, reason)
		}
	}
}

// hostPrefixes are the addresses of hosts, with names as they were resolved.
func hostPrefixes(hosts []config.Host, answers map[string]answer) []netip.Prefix {
	var prefixes []netip.Prefix
	add := func(p netip.Prefix) {
		if !slices.Contains(prefixes, p) {
			prefixes = append(prefixes, p)
		}
	}
	for _, h := range hosts {
		if h.Name == "" {
			add(h.Prefix)
			continue
		}
		for _, a := range answers[h.Name].Addrs {
			add(netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return prefixes
}

// addFeedHost protects where a feed comes from: a list that blocks its own
// source stops being updated.
func (l *protectedList) addFeedHost(f config.Feed, named map[string][]string) {
	u, err := url.Parse(f.URL)
	if f.URL == "" || err != nil {
		return
	}
	reason, host := "source of feed "+f.Name, u.Hostname()
	if a, err := netip.ParseAddr(host); err == nil {
		l.addAddrs([]netip.Addr{a}, reason)
	} else {
		named[strings.ToLower(host)] = append(named[strings.ToLower(host)], reason)
	}
}

func (l protectedList) index() (*Protection, error) {
	p := &Protection{index: cidranger.NewPCTrieRanger()}
	var b cidr.Builder
	for prefix, reasons := range l {
		slices.Sort(reasons)
		if err := p.index.Insert(&Protected{prefix, reasons}); err != nil {
			return nil, err
		}
		b.Add(cidr.FromNetip(prefix))
	}
	p.sets = b.Sets()
	return p, nil
}

// Covering returns what protects any address of q: the protected prefixes that
// contain it, widest first, and then those inside it.
func (p *Protection) Covering(q netip.Prefix) []Protected {
	at, _ := p.index.ContainingNetworks(q.Addr().AsSlice())
	inside, _ := p.index.CoveredNetworks((&Protected{Prefix: q}).Network())
	var found []Protected
	for _, entry := range slices.Concat(at, inside) {
		e := entry.(*Protected)
		if e.Prefix.Overlaps(q) && !slices.ContainsFunc(found, func(f Protected) bool { return f.Prefix == e.Prefix }) {
			found = append(found, *e)
		}
	}
	return found
}

// overlapping returns the protected prefixes that sets would block, in order.
func (p *Protection) overlapping(sets cidr.Sets) []Protected {
	var found []Protected
	for f := range sets {
		for hole := range p.sets[f].All() {
			if sets[f].Overlaps(hole) {
				found = append(found, p.Covering(hole.Netip())...)
			}
		}
	}
	found = slices.DeleteFunc(found, func(e Protected) bool { return !sets.Overlaps(cidr.FromNetip(e.Prefix)) })
	slices.SortFunc(found, func(a, b Protected) int {
		return cidr.FromNetip(a.Prefix).Compare(cidr.FromNetip(b.Prefix))
	})
	return slices.CompactFunc(found, func(a, b Protected) bool { return a.Prefix == b.Prefix })
}

func sortedKeys(m map[string][]string) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
