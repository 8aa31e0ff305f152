package exempt

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
	"github.com/voipbl/voipbl/fleet/docfile"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/logins"
)

// Protected is a prefix that is never blocked, with the reasons.
type Protected struct {
	Prefix  netip.Prefix `json:"prefix"`
	Reasons []string     `json:"reasons"`
}

// Network returns the prefix for the cidranger index.
func (p *Protected) Network() net.IPNet {
	addr := p.Prefix.Addr()
	return net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(p.Prefix.Bits(), addr.BitLen())}
}

// Protection is everything that is never blocked on this host, as sets to subtract and
// as an index to search.
type Protection struct {
	Sets        cidr.Sets
	index       cidranger.Ranger
	Problems    []string
	Unprotected []string // names in allow and trunks without any address
	NoHost      []string // names in allow and trunks whose answer no host can have
	Names       []NameStatus
	Trunks      []netip.Prefix
	Sessions    []netip.Addr // addresses of SSH logins

	list protectedList

	unread         error            // why the list of "voipbl allow" is not known
	AllowedProblem *problem.Problem // unread, or that the list is not written down
	AllowedUntil   time.Duration    // time until the next entry ends; 0 if none ends
}

// names are the DNS names of a configuration, each with the reasons why it is exempt.
type names struct {
	Allowed map[string][]string // in allow and trunks, of the configuration and of the fleet
	Servers map[string][]string // of feeds, of the server for reports, and of the fleet
	ByHand  map[string]string   // of "voipbl allow"; one reason each
	Trunks  []string            // at which the PBX is registered: see [known.Trunks]
}

// hostNames returns the DNS names of a configuration, and of the operator's document.
func hostNames(cfg config.Config) names {
	n := names{Allowed: make(map[string][]string), Servers: make(map[string][]string)}
	for _, w := range written(cfg) {
		for _, h := range w.Hosts {
			if h.Name != "" && !slices.Contains(n.Allowed[h.Name], w.Reason) {
				n.Allowed[h.Name] = append(n.Allowed[h.Name], w.Reason)
			}
		}
	}
	for _, s := range servers(cfg) {
		if !isAddr(s.host) {
			n.Servers[s.host] = append(n.Servers[s.host], s.reason)
		}
	}
	for _, reasons := range n.Allowed {
		slices.Sort(reasons)
	}
	return n
}

// addSources adds the names of hosts that were contacted.
func (n names) addSources(sources []source) {
	for _, s := range sources {
		if name := s.name(); name != "" && !slices.Contains(n.Servers[name], s.reason) {
			n.Servers[name] = append(n.Servers[name], s.reason)
		}
	}
}

// all returns the names in order, without duplicates.
func (n names) all() []string {
	all := slices.AppendSeq(slices.Collect(maps.Keys(n.Allowed)), maps.Keys(n.Servers))
	all = slices.AppendSeq(all, maps.Keys(n.ByHand))
	all = append(all, n.Trunks...)
	slices.Sort(all)
	return slices.Compact(all)
}

// reasons returns why a name is exempt.
func (n names) reasons(name string) []string {
	return slices.Concat(n.friend(name), n.Servers[name])
}

// friend returns the reasons of a name that an admin has allowed.
func (n names) friend(name string) []string {
	reasons := slices.Clone(n.Allowed[name])
	if reason, found := n.ByHand[name]; found {
		reasons = append(reasons, reason)
	}
	return reasons
}

// feedHost returns the host of a feed, or "" for a path. It is exempt, because a list
// that blocks its own source could no longer be fetched.
func feedHost(f config.Feed) string { return urlHost(string(f.URL)) }

// reportHost returns the host to which attackers are reported, or "".
func reportHost(cfg config.Config) string {
	if !cfg.Report.Enabled {
		return ""
	}
	return urlHost(cfg.Report.URL)
}

// server is a host that this one must reach, and why.
type server struct{ host, reason string }

// servers are the hosts that a configuration has this one talk with.
func servers(cfg config.Config) (all []server) {
	for _, f := range cfg.Feeds {
		all = append(all, server{feedHost(f), SourceReason(f)})
	}
	all = append(all, server{reportHost(cfg), ReportReason})
	for _, hub := range cfg.Fleet.Hubs {
		if s := (server{urlHost(hub), HubReason}); !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return slices.DeleteFunc(all, func(s server) bool { return s.host == "" })
}

const (
	ReportReason = "where attackers are reported"
	HubReason    = "hub of the fleet"
)

func urlHost(text string) string {
	u, err := url.Parse(text)
	if text == "" || err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

func SourceReason(f config.Feed) string { return "source of feed " + f.Name }

func isAddr(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

const (
	OwnAddressReason = "this host's own address"
	GatewayReason    = "default gateway"
	ResolverReason   = "DNS resolver"
	SessionReason    = "logged-in SSH session"
	PhoneReason      = "registered phone"
	TrunkReason      = "the PBX is registered there"
	PeerReason       = "the PBX has it as a trunk"
	localReason      = "local_networks"
)

// Gather collects the exempt addresses of the configuration, with its names as resolved
// in answers, and of this host as it is now.
func Gather(cfg config.Config, answers Resolved) (*Protection, error) {
	return GatherWith(cfg, answers, logins.SessionPeers())
}

// GatherWith is [Gather] with known login sessions.
func GatherWith(cfg config.Config, answers Resolved, sessions []netip.Addr) (*Protection, error) {
	var list protectedList
	allowed := answers.takeAllowed(cfg)
	for _, e := range allowed.List.Entries {
		if e.Host.Name == "" {
			list.add(e.Host.Prefix, allowedReason(e))
		}
	}
	own, err := host.OwnAddresses()
	if err != nil {
		return nil, err
	}
	list.addAddrs(own, OwnAddressReason)
	gws, err := host.Gateways()
	if err != nil {
		return nil, err
	}
	list.addAddrs(gws, GatewayReason)
	list.addAddrs(host.Resolvers(host.ResolvConfs), ResolverReason)
	list.addAddrs(sessions, SessionReason)
	for _, p := range cfg.Firewall.LocalNetworks {
		list.add(p, localReason)
	}
	for _, w := range written(cfg) {
		list.addHosts(w.Hosts, w.Reason)
	}
	trunks, unread := known.FindTrunks(cfg)
	for _, t := range trunks.All {
		list.addAddrs(t.Addrs, trunkReason(t))
	}
	for _, s := range servers(cfg) {
		if a, err := netip.ParseAddr(s.host); err == nil {
			list.addAddrs([]netip.Addr{a}, s.reason)
		}
	}
	for _, s := range answers.sources {
		list.addAddrs(s.addrs(), s.words())
	}
	for name, a := range answers.Answers {
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
	p.Sessions = sessions
	p.Problems = slices.Concat(answers.Problems, allowed.Notes)
	if unread != nil {
		p.Problems = append(p.Problems, problem.Line(unread))
	}
	if wrong := docfile.Read(cfg).Problem(); wrong != nil {
		p.Problems = append(p.Problems, wrong.Error)
	}
	p.unread, p.AllowedProblem, p.AllowedUntil = allowed.Unread, allowed.problem(), allowed.next()
	if p.unread != nil {
		p.Problems = append(p.Problems, p.unread.Error())
	}
	p.Trunks = HostPrefixes(TrunkHosts(cfg), answers.Answers)
	p.NoHost, p.Names = answers.noHost, answers.status()
	for _, name := range answers.Never {
		if answers.Allows(name) {
			p.Unprotected = append(p.Unprotected, name)
			p.Problems = append(p.Problems, fmt.Sprintf("%s of %s is not exempt: write its address instead, or mend DNS", name, strings.Join(answers.reasons(name), " and ")))
		}
	}
	return p, nil
}

// LastAnswers returns the last good DNS answers, without asking.
func LastAnswers(ctx context.Context, cfg config.Config, store *fetch.Store) Resolved {
	return Resolve(ctx, store, cfg, Lookups{Offline: true})
}

// GatherLast is [Gather] with the last good DNS answers, for commands that only look.
func GatherLast(ctx context.Context, cfg config.Config, store *fetch.Store) (*Protection, error) {
	return Gather(cfg, LastAnswers(ctx, cfg, store))
}

// LastTrunks returns the trunks of [GatherLast] alone, which takes next to no work.
func LastTrunks(ctx context.Context, cfg config.Config, store *fetch.Store) []netip.Prefix {
	var answers map[string]Answer
	trunks := TrunkHosts(cfg)
	if slices.ContainsFunc(trunks, func(h config.Host) bool { return h.Name != "" }) {
		answers = LastAnswers(ctx, cfg, store).Answers
	}
	return HostPrefixes(trunks, answers)
}

// protectedList has the reasons for each exempt prefix.
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
	for _, p := range HostsOf(addrs) {
		l.add(p, reason)
	}
}

// HostsOf returns addresses as prefixes.
func HostsOf(addrs []netip.Addr) (hosts []netip.Prefix) {
	for _, a := range addrs {
		a = a.Unmap().WithZone("")
		hosts = append(hosts, netip.PrefixFrom(a, a.BitLen()))
	}
	return hosts
}

// addHosts adds the hosts that are written as addresses.
func (l *protectedList) addHosts(hosts []config.Host, reason string) {
	for _, h := range hosts {
		if h.Name == "" {
			l.add(h.Prefix, reason)
		}
	}
}

// HostPrefixes returns the addresses of hosts, with names as resolved in answers.
func HostPrefixes(hosts []config.Host, answers map[string]Answer) []netip.Prefix {
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
	p := &Protection{index: cidranger.NewPCTrieRanger(), list: l}
	var b cidr.Builder
	for prefix, reasons := range l {
		slices.Sort(reasons)
		if err := p.index.Insert(&Protected{prefix, reasons}); err != nil {
			return nil, err
		}
		b.Add(cidr.FromNetip(prefix))
	}
	p.Sets = b.Sets()
	return p, nil
}

// FromLists returns what no list may block: what is exempt, and the addresses of registered phones.
// A ban may block these: a password does not make its owner a friend for ever.
func (p *Protection) FromLists(registered known.List) (*Protection, error) {
	if len(registered.Phones) == 0 {
		return p, nil
	}
	list := maps.Clone(p.list)
	for prefix, reasons := range list {
		list[prefix] = slices.Clone(reasons)
	}
	for addr, accounts := range registered.Addresses() {
		list.addAddrs([]netip.Addr{addr}, phoneReason(accounts))
	}
	all, err := list.index()
	if err != nil {
		return nil, err
	}
	more := *p
	more.Sets, more.index, more.list = all.Sets, all.index, all.list
	return &more, nil
}

// trunkReason says why the addresses of a trunk are exempt.
func trunkReason(t known.Trunk) string {
	words := PeerReason
	if t.Account != "" {
		words = TrunkReason + " as " + t.Account
	}
	if name := t.Name(); name != "" {
		words += " (" + name + ")"
	}
	return words
}

// phoneReason says why the address of registered phones is exempt from lists.
func phoneReason(accounts []string) string {
	const shown = 3
	words := strings.Join(accounts[:min(len(accounts), shown)], ", ")
	if more := len(accounts) - shown; more > 0 {
		words += fmt.Sprintf(" and %d more", more)
	}
	return PhoneReason + " (" + words + ")"
}

// Covering returns the exempt prefixes that contain q, widest first, and then those
// inside q.
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

// Overlapping returns the exempt prefixes that sets would block, in order.
func (p *Protection) Overlapping(sets cidr.Sets) []Protected {
	var found []Protected
	for f := range sets {
		for hole := range p.Sets[f].All() {
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

// AddressesOf returns the exempt addresses of a name in allow or trunks.
func (p *Protection) AddressesOf(name string) (addrs []netip.Addr) {
	for _, n := range p.Names {
		if n.Name == name {
			for _, a := range n.Addresses {
				addrs = append(addrs, a.Addr)
			}
		}
	}
	return addrs
}

// Blockable returns sets without the prefixes that are never blocked.
func Blockable(sets, protected cidr.Sets) cidr.Sets {
	return sets.Subtract(cidr.Union(cidr.SpecialSpace, protected))
}
