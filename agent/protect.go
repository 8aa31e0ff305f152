package agent

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/yl2chen/cidranger"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/problem"
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
	noHost      []string // names of allow and trunks that answer with what is no host's address
	names       []NameStatus
	trunks      []netip.Prefix
	sessions    []netip.Addr // whoever is logged in by SSH

	unread         error            // why it is not known what "voipbl allow" has allowed
	allowedProblem *problem.Problem // this, or that it is not written down
	allowedUntil   time.Duration    // in what time the next of it ends; 0 if nothing does
}

// names are the DNS names of a configuration, each with why it is protected.
type names struct {
	allowed map[string][]string // of allow and trunks
	servers map[string][]string // of feeds, and where reports go
	byHand  map[string]string   // of "voipbl allow": one reason each
}

// hostNames finds them.
func hostNames(cfg config.Config) names {
	n := names{make(map[string][]string), make(map[string][]string), nil}
	for reason, hosts := range map[string][]config.Host{"allow": cfg.Allow, "trunks": cfg.Firewall.Trunks} {
		for _, h := range hosts {
			if h.Name != "" {
				n.allowed[h.Name] = append(n.allowed[h.Name], reason)
			}
		}
	}
	for _, f := range cfg.Feeds {
		if host := feedHost(f); host != "" && !isAddr(host) {
			n.servers[host] = append(n.servers[host], sourceReason(f))
		}
	}
	if host := reportHost(cfg); host != "" && !isAddr(host) {
		n.servers[host] = append(n.servers[host], reportReason)
	}
	for _, reasons := range n.allowed {
		slices.Sort(reasons)
	}
	return n
}

// addSources adds the names of hosts that were talked to.
func (n names) addSources(sources []source) {
	for _, s := range sources {
		if name := s.name(); name != "" && !slices.Contains(n.servers[name], s.reason) {
			n.servers[name] = append(n.servers[name], s.reason)
		}
	}
}

// all are the names in order, each once.
func (n names) all() []string {
	all := slices.AppendSeq(slices.Collect(maps.Keys(n.allowed)), maps.Keys(n.servers))
	all = slices.AppendSeq(all, maps.Keys(n.byHand))
	slices.Sort(all)
	return slices.Compact(all)
}

// reasons are why a name is protected.
func (n names) reasons(name string) []string {
	return slices.Concat(n.friend(name), n.servers[name])
}

// friend are the reasons of one that an admin has named.
func (n names) friend(name string) []string {
	reasons := slices.Clone(n.allowed[name])
	if reason, found := n.byHand[name]; found {
		reasons = append(reasons, reason)
	}
	return reasons
}

// feedHost is where a feed comes from: a list that blocks its own source stops
// being updated. It is empty for a path.
func feedHost(f config.Feed) string { return urlHost(string(f.URL)) }

// reportHost is where attackers are reported, if they are.
func reportHost(cfg config.Config) string {
	if !cfg.Report.Enabled {
		return ""
	}
	return urlHost(cfg.Report.URL)
}

const reportReason = "where attackers are reported"

func urlHost(text string) string {
	u, err := url.Parse(text)
	if text == "" || err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

func sourceReason(f config.Feed) string { return "source of feed " + f.Name }

func isAddr(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

const (
	ownAddressReason = "this host's own address"
	gatewayReason    = "default gateway"
	resolverReason   = "DNS resolver"
	sessionReason    = "logged-in SSH session"
	localReason      = "local_networks"
)

// protection gathers the protected addresses of the configuration, with its names
// as they were resolved, and of the host as it is now.
func protection(cfg config.Config, answers resolved) (*Protection, error) {
	return protectionWith(cfg, answers, host.SessionPeers())
}

// protectionWith is protection where it is known who is logged in.
func protectionWith(cfg config.Config, answers resolved, sessions []netip.Addr) (*Protection, error) {
	var list protectedList
	allowed := answers.takeAllowed(cfg)
	for _, e := range allowed.list.Entries {
		if e.Host.Name == "" {
			list.add(e.Host.Prefix, allowedReason(e))
		}
	}
	own, err := host.OwnAddresses()
	if err != nil {
		return nil, err
	}
	list.addAddrs(own, ownAddressReason)
	gws, err := host.Gateways()
	if err != nil {
		return nil, err
	}
	list.addAddrs(gws, gatewayReason)
	list.addAddrs(host.Resolvers(host.ResolvConfs), resolverReason)
	list.addAddrs(sessions, sessionReason)
	for _, p := range cfg.Firewall.LocalNetworks {
		list.add(p, localReason)
	}
	list.addHosts(cfg.Allow, "allow")
	list.addHosts(cfg.Firewall.Trunks, "trunks")
	for _, f := range cfg.Feeds {
		if a, err := netip.ParseAddr(feedHost(f)); err == nil {
			list.addAddrs([]netip.Addr{a}, sourceReason(f))
		}
	}
	if a, err := netip.ParseAddr(reportHost(cfg)); err == nil {
		list.addAddrs([]netip.Addr{a}, reportReason)
	}
	for _, s := range answers.sources {
		list.addAddrs(s.addrs(), s.words())
	}
	for name, a := range answers.answers {
		if answers.redirected(name) {
			a = a.Newest(maxRedirected)
		}
		for _, reason := range answers.reasons(name) {
			list.addAddrs(a.Addrs(), reason+" ("+name+")")
		}
	}
	p, err := list.index()
	if err != nil {
		return nil, err
	}
	p.sessions = sessions
	p.problems = slices.Concat(answers.problems, allowed.notes)
	p.unread, p.allowedProblem, p.allowedUntil = allowed.unread, allowed.problem(), allowed.next()
	if p.unread != nil {
		p.problems = append(p.problems, p.unread.Error())
	}
	p.trunks = hostPrefixes(cfg.Firewall.Trunks, answers.answers)
	p.noHost, p.names = answers.noHost, answers.status()
	for _, name := range answers.never {
		if answers.allows(name) {
			p.unprotected = append(p.unprotected, name)
			p.problems = append(p.problems, fmt.Sprintf("%s of %s is not protected: write its address instead, or mend DNS", name, strings.Join(answers.reasons(name), " and ")))
		}
	}
	return p, nil
}

// lastAnswers are the last good ones.
func lastAnswers(ctx context.Context, cfg config.Config, store *fetch.Store) resolved {
	return resolve(ctx, store, cfg, lookups{offline: true})
}

// lastProtection is protection by the last good answers, for those who only look.
func lastProtection(ctx context.Context, cfg config.Config, store *fetch.Store) (*Protection, error) {
	return protection(cfg, lastAnswers(ctx, cfg, store))
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
	for _, p := range hostsOf(addrs) {
		l.add(p, reason)
	}
}

// hostsOf are addresses as prefixes.
func hostsOf(addrs []netip.Addr) (hosts []netip.Prefix) {
	for _, a := range addrs {
		a = a.Unmap().WithZone("")
		hosts = append(hosts, netip.PrefixFrom(a, a.BitLen()))
	}
	return hosts
}

// addHosts adds those that are written as addresses.
func (l *protectedList) addHosts(hosts []config.Host, reason string) {
	for _, h := range hosts {
		if h.Name == "" {
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
		for _, a := range answers[h.Name].Addrs() {
			add(netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return prefixes
}

func (l protectedList) index() (*Protection, error) {
	l.addNAT64()
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

// addressesOf are the exempt addresses of a name of allow or trunks.
func (p *Protection) addressesOf(name string) (addrs []netip.Addr) {
	for _, n := range p.names {
		if n.Name == name {
			for _, a := range n.Addresses {
				addrs = append(addrs, a.Addr)
			}
		}
	}
	return addrs
}

// blockable is what remains of sets without what is never blocked.
func blockable(sets, protected cidr.Sets) cidr.Sets {
	return sets.Subtract(cidr.Union(cidr.SpecialSpace, protected))
}
