package reach

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/banrule"
	"github.com/voipbl/voipbl/internal/portrange"
	"github.com/voipbl/voipbl/internal/procself"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/iptwalk"
	"github.com/voipbl/voipbl/nft"
	"github.com/voipbl/voipbl/nftwalk"
)

// Whose rule or set keeps packets out: the values of Place.Kind.
const (
	ByVoipbl   = "voipbl"
	ByFail2ban = "fail2ban"
	ByOther    = "other"
)

// Place is a rule that drops or rejects packets of an address because of their source, no matter
// who made it. A rule that closes a port to everybody is not a place.
type Place struct {
	Where      string        `json:"where"`               // such as "iptables-nft, filter INPUT" or "nftables, inet filter input"
	Kind       string        `json:"kind"`                // ByVoipbl, ByFail2ban or ByOther
	By         string        `json:"by,omitempty"`        // the program, such as "ufw", if the rule's names tell
	Rule       string        `json:"rule"`                // as "-A CHAIN RULE", or as nft writes it
	Set        string        `json:"set,omitempty"`       // the set that the rule matches the source with
	Entry      *netip.Prefix `json:"entry,omitempty"`     // the set's entry, or the rule's own address
	Then       string        `json:"then,omitempty"`      // the rule or policy for everybody that ends them, if Rule only sends them there
	Rejected   bool          `json:"rejected"`            // the sender gets an answer
	Ports      []string      `json:"ports"`               // only these packets, such as "udp 5060:5061"; empty for all
	Interface  string        `json:"interface,omitempty"` // only what arrives by this interface
	Part       bool          `json:"part"`                // only some of the addresses in the query
	LetIn      []string      `json:"let_in"`              // rules above it that let some of the packets in
	Containers bool          `json:"containers"`          // only packets for containers, or for others behind this host
	Certain    bool          `json:"certain"`             // each such packet that begins a connection ends here
	Remedy     string        `json:"remedy"`              // what lets the address in

	early    bool // packets for containers pass here too
	behind   bool // packets have the address and port here that nat gave them
	past     bool // other packets of the address arrive, or may, by another interface, and pass
	someHere bool // an address in Ports is not this host's only one

	takeOut string // takes the query out of voipbl's set; see [Place.TakeOutRemedy]
}

// Blocks reports whether a place counts as "blocked": it ends each packet that begins a
// connection, from all of the addresses, to all ports of this host or to those in Ports.
func (p Place) Blocks() bool {
	return p.Certain && !p.Part && !p.Containers && !p.past && len(p.LetIn) == 0
}

// PlacesFinder looks for places in the rules and sets that it has read.
type PlacesFinder struct {
	cfg     config.Config
	Kernel  *ipsetsync.Kernel
	members map[string]*ipsetsync.Members
	recent  map[string][]netip.Addr
	tracers []familyTracer
	rules   []KernelRules
	native  *nativeRules // nil if they could not be read
	way     Passed       // by which interfaces packets arrive, if a rule depends on that
	nat     [2]*filters  // to find out what nat does, by family; nil until needed
	unread  [2][]string  // why a family may have more places
}

type familyTracer struct {
	backend firewall.Backend
	family  iptables.Family
	*iptwalk.Tracer
}

// FindPlaces reads the rules of both backends. It reads a set when a rule matches it.
func FindPlaces(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel) *PlacesFinder {
	rules, err := ReadKernelRules(ctx, cfg)
	p := placesIn(ctx, cfg, kernel, rules)
	if err != nil {
		for f := range p.unread {
			p.unread[f] = append(p.unread[f], err.Error())
		}
	}
	return p
}

// placesIn is FindPlaces for rules that are already read.
func placesIn(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel, rules []KernelRules) *PlacesFinder {
	p := &PlacesFinder{cfg: cfg, Kernel: kernel, rules: rules, members: make(map[string]*ipsetsync.Members), recent: make(map[string][]netip.Addr)}
	in := iptwalk.Sources{Set: p.inSet, Recent: p.inRecent}
	for _, k := range rules {
		for _, f := range iptables.Families {
			saved := k.Saved[f]
			if saved == nil {
				continue
			}
			if saved.Trouble != nil {
				p.unread[f] = append(p.unread[f], saved.Trouble.Error())
				continue
			}
			p.tracers = append(p.tracers, familyTracer{k.Backend, f, iptwalk.NewTracer(saved, in)})
		}
	}
	var err error
	if p.native, err = readNative(ctx, rules); err != nil {
		for f := range p.unread {
			p.unread[f] = append(p.unread[f], err.Error())
		}
	}
	var native *nft.Ruleset
	if p.native != nil {
		native = p.native.rules
	}
	if p.way, err = PassedBy(ctx, rules, native); err != nil {
		for f := range p.unread {
			p.unread[f] = append(p.unread[f], err.Error())
		}
	}
	if p.native != nil {
		p.native.here = p.way.here()
	}
	return p
}

// Of returns the places of an address or prefix, and why there may be more.
func (p *PlacesFinder) Of(q netip.Prefix) (places []Place, unread []string) {
	p.way.Left.Renew()
	f := familyFor(q)
	var others []iptwalk.Others
	for _, t := range p.tracers {
		others = append(others, iptwalk.Others{})
		if t.family == f {
			others[len(others)-1] = t.Affects(q)
		}
	}
	others = append(others, p.native.affects(q))
	by := p.way.by(q, f)
	if q.Addr().IsLoopback() {
		by = []string{""}
	}
	var ways [][]string // the interfaces by which packets come to each place
	blocked := 0        // by how many interfaces they are blocked
	for _, i := range by {
		found, cut := p.byInterface(q, f, i, others)
		for _, tool := range cut {
			if words := tool + ": there are too many ways through the rules to follow them all"; !slices.Contains(unread, words) {
				unread = append(unread, words)
			}
		}
		if slices.ContainsFunc(found, Place.Blocks) {
			blocked++
		}
		for _, place := range found {
			at := slices.IndexFunc(places, func(o Place) bool { return reflect.DeepEqual(o, place) })
			if at < 0 {
				at, places, ways = len(places), append(places, place), append(ways, nil)
			}
			ways[at] = append(ways[at], i)
		}
	}
	for i, w := range ways {
		if len(w) < len(by) {
			places[i].Interface, places[i].past = strings.Join(w, ", "), blocked < len(by)
		}
	}
	return places, slices.Concat(p.unread[f], unread) // reading a set may have failed meanwhile
}

func familyFor(q netip.Prefix) iptables.Family {
	if q.Addr().Is6() {
		return iptables.IPv6
	}
	return iptables.IPv4
}

// byInterface returns the places of packets that arrive by an interface, or by any if by is
// empty. cut names the tools whose rules are too many to follow them all.
func (p *PlacesFinder) byInterface(q netip.Prefix, f iptables.Family, by string, others []iptwalk.Others) (places []Place, cut []string) {
	for i, t := range p.tracers {
		if t.family != f {
			continue
		}
		all, some := t.Behind(allBut(others, i)).Places(iptwalk.Packet{Source: q, In: by, Here: p.way.here()})
		for _, found := range all {
			places = append(places, p.place(t, found, q))
		}
		if some {
			cut = append(cut, RulesCommand(t.backend, f))
		}
	}
	native, some := p.native.of(q, by, allBut(others, len(p.tracers)))
	if some {
		cut = append(cut, "nftables")
	}
	places = append(places, native...)
	var turned []part
	for i := range places {
		at := &places[i]
		if !at.behind || at.Containers || len(at.Ports) == 0 {
			continue
		}
		if at.Certain && p.translated(*at, f, by) {
			at.Certain = false
		}
		if turned == nil {
			turned = append([]part{}, p.turned(f, by)...)
		}
		p.addTurned(at, q, turned, by, others)
	}
	return places, cut
}

// turned are the packets to other ports of this host than those that they are sent to.
func (p *PlacesFinder) turned(f iptables.Family, by string) (all []part) {
	for _, proto := range portrange.Protocols {
		for _, t := range p.natOf(f).parts(admission{proto: proto, ports: portrange.All}, by, toHere) {
			if t.to.ToPort != 0 && !t.away {
				all = append(all, t)
			}
		}
	}
	return all
}

// addTurned adds the ports to a place from which nat sends packets to those of its own, if they
// end there, too.
func (p *PlacesFinder) addTurned(at *Place, q netip.Prefix, turned []part, by string, others []iptwalk.Others) {
	for _, t := range turned {
		named := func(of string) bool {
			proto, ports, some := strings.Cut(of, " ")
			return some && proto == t.proto && readRange(ports).Has(t.to.ToPort)
		}
		if ports := t.proto + " " + t.ports.String(); slices.ContainsFunc(at.Ports, named) && !slices.Contains(at.Ports, ports) && p.endsTurned(*at, q, t, by, others) {
			at.Ports = append(at.Ports, ports)
		}
	}
}

// endsTurned reports whether packets end for certain at a place whose port nat has turned.
func (p *PlacesFinder) endsTurned(at Place, q netip.Prefix, t part, by string, others []iptwalk.Others) bool {
	same := func(where, rule string) bool { return where == at.Where && rule == at.Rule }
	packet := iptwalk.Packet{Source: q, In: by, Here: p.way.here(), Proto: t.proto, Ports: t.ports, ToPort: t.to.ToPort}
	for i, tr := range p.tracers {
		if tr.family != familyFor(q) || !strings.HasPrefix(at.Where, RulesCommand(tr.backend, tr.family)+",") {
			continue
		}
		found, _ := tr.Within(p.way.Left).Behind(allBut(others, i)).Places(packet)
		return slices.ContainsFunc(found, func(d iptwalk.DropPlace) bool {
			is := p.place(tr, d, q)
			return same(is.Where, is.Rule) && is.Certain && !is.Containers && len(is.LetIn) == 0
		})
	}
	native := nftwalk.Packet{Source: q, Interface: by, Here: p.way.here(), Proto: t.proto, Port: max(t.ports.First, 1), ToPort: t.to.ToPort, Others: nftwalk.Others(allBut(others, len(p.tracers)))}
	found, _ := nftwalk.BySource(p.native.rules, native)
	return slices.ContainsFunc(found, func(d nftwalk.DropPlace) bool {
		is := p.native.place(d, q, false)
		return same(is.Where, is.Rule) && is.Certain
	})
}

// translated reports whether nat may give packets to a port that a place names another port, so
// that they do not end there.
func (p *PlacesFinder) translated(at Place, f iptables.Family, by string) bool {
	return slices.ContainsFunc(at.Ports, func(of string) bool {
		of, _, _ = strings.Cut(of, " to ")
		proto, ports, some := strings.Cut(of, " ")
		if !some || !slices.Contains(portrange.Protocols, proto) {
			return false
		}
		return slices.ContainsFunc(p.natOf(f).parts(admission{proto: proto, ports: readRange(ports)}, by, toHere), func(q part) bool { return q.away || q.turns.turned.port != 0 })
	})
}

// natOf finds out what nat does to packets of a family.
func (p *PlacesFinder) natOf(f iptables.Family) *filters {
	if p.nat[f] == nil {
		p.nat[f] = p.way.Filters(f, Nobody)
	}
	return p.nat[f]
}

// allBut returns what all of them but one do together.
func allBut(all []iptwalk.Others, one int) (o iptwalk.Others) {
	for i, a := range all {
		if i != one {
			o.Untracks, o.Marks, o.Apart = o.Untracks || a.Untracks, o.Marks || a.Marks, o.Apart || a.Apart
			o.Translates = o.Translates || a.Translates
		}
	}
	return o
}

func (p *PlacesFinder) place(t familyTracer, found iptwalk.DropPlace, q netip.Prefix) Place {
	tool := RulesCommand(t.backend, t.family)
	at := Place{
		Where: whereOf(t.backend, t.family, found.Table, found.Chain), Rule: "-A " + found.Chain + " " + iptables.WithoutPurpose(found.Rule), Set: found.Set,
		Rejected: found.Rejected, Ports: append([]string{}, found.Only...), Part: found.Part, LetIn: append([]string{}, found.But...), Interface: found.In,
		Containers: found.Forwarded, Certain: found.Certain, Then: found.Then, early: found.Early, behind: !found.Early,
		past: found.In != "", someHere: len(p.way.here()) > 0 && !found.Early && !found.Forwarded,
	}
	if found.Entry.IsValid() {
		entry := found.Entry
		at.Entry = &entry
	}
	switch {
	case banrule.IsFail2ban(found.Set), banrule.IsFail2ban(found.Chain): // also if the rule is voipbl's
		at.Kind, at.By = ByFail2ban, ByFail2ban
	case found.Ours:
		at.Kind, at.By = ByVoipbl, ByVoipbl
	case p.isOwnSet(found.Set, cidr.Family(t.family)): // if the rule is somebody else's
		at.Kind, at.By = ByVoipbl, ownerOf(found.Chain, found.Set)
	default:
		at.Kind, at.By = ByOther, ownerOf(found.Chain, found.Set)
	}
	at.Remedy = at.remedy(tool, found, q)
	if at.Kind == ByVoipbl && at.Set != "" && at.Entry != nil {
		at.takeOut = TakeOutRemedy(at.Set, *at.Entry)
		if m := p.members[at.Set]; m != nil {
			at.takeOut = "voipbl allow " + cidr.Text(q)
			if piece, one := m.Piece(cidr.FromNetip(q)); one {
				at.takeOut = TakeOutRemedy(at.Set, piece.Netip())
			}
		}
	}
	return at
}

// TakeOutRemedy is [TakeOutRemedy] for the query that the place was found for; "" if the place is
// no entry of a set of voipbl's. Only what the kernel has as one entry can be deleted.
func (p Place) TakeOutRemedy() string { return p.takeOut }

// isOwnSet reports whether a set is one that voipbl fills, and does not just have its name.
func (p *PlacesFinder) isOwnSet(name string, f cidr.Family) bool {
	m := p.members[name]
	if m == nil {
		return false
	}
	return name == p.cfg.SetName(int(f)) && ipsetsync.IsOurs(m.Header, f) ||
		name == p.cfg.BanSetName(int(f)) && ipsetsync.CheckBanSet(m.Header, f) == nil
}

const scriptOwner = "the published voipbl.sh"

// owners says which program makes chains and sets with certain prefixes.
var owners = []struct{ chain, set, by string }{
	{"ufw-", "", "ufw"},
	{"ufw6-", "", "ufw"},
	{"fpbx", "", "FreePBX's firewall"},
	{"BLACKLIST-INPUT", iptwalk.ScriptSet, scriptOwner},
	{"DENYIN", "chain_DENY", "csf"},
	{"LOCALINPUT", "bl_", "csf"},
	{"IN_", "", "firewalld"},
	{"CROWDSEC_CHAIN", "crowdsec-", "CrowdSec"},
	{"sshguard", "sshguard", "sshguard"},
	{"", "blacklist", "ipset-blacklist"},
}

func ownerOf(chain, set string) string {
	for _, o := range owners {
		if o.chain != "" && strings.HasPrefix(chain, o.chain) || o.set != "" && strings.HasPrefix(set, o.set) {
			return o.by
		}
	}
	return ""
}

// remedy is what lets an address pass this place again.
func (p Place) remedy(tool string, found iptwalk.DropPlace, q netip.Prefix) string {
	entry := cidr.Text(q)
	if p.Entry != nil {
		entry = cidr.Text(*p.Entry)
	}
	rule := tool + TableOption(found.Table) + " -D" + strings.TrimPrefix(p.Rule, "-A")
	switch {
	case found.Then != "" && found.Table != "raw":
		return acceptRemedy(tool, found, q)
	case p.Kind == ByVoipbl:
		return "voipbl allow " + cidr.Text(q)
	case p.Kind == ByFail2ban && p.Set != "":
		return fmt.Sprintf("fail2ban-client unban %[1]s; if it stays: ipset del %[2]s %[1]s", entry, p.Set)
	case p.Kind == ByFail2ban:
		return fmt.Sprintf("fail2ban-client unban %s; if it stays: %s", entry, rule)
	case p.By == "ufw":
		return "\"ufw status numbered\" has the rule, and \"ufw delete\" takes it out"
	case p.By == scriptOwner:
		return "voipbl migrate"
	case p.By == "csf":
		return "csf -dr " + entry
	case p.Set != "" && p.Entry != nil:
		return fmt.Sprintf("ipset del %s %s; %s adds it again unless you take it off its list", p.Set, entry, orWhoever(p.By))
	}
	return rule
}

// acceptRemedy adds a rule that accepts an address. It is for an address that is dropped only
// because no rule accepts it, so there is no rule to remove.
func acceptRemedy(tool string, found iptwalk.DropPlace, q netip.Prefix) string {
	return fmt.Sprintf("%s%s -I %s -s %s -j ACCEPT", tool, TableOption(found.Table), found.Chain, cidr.Text(q))
}

func orWhoever(by string) string {
	if by == "" {
		return "the program that fills that set"
	}
	return by
}

// Set reads a set, only once. It returns nil if the set cannot be read. Entries of voipbl's lists
// are told as the lists have them, whatever pieces the kernel has.
func (p *PlacesFinder) Set(name string) (*ipsetsync.Members, error) {
	if m, known := p.members[name]; known {
		return m, nil
	}
	m, err := p.Kernel.Members(name)
	switch {
	case err != nil:
		m = nil
	case name == p.cfg.SetName(int(m.Family)):
		m.Join()
	}
	p.members[name] = m
	return m, err
}

// shares maps ipsetsync's shares to firewall's.
var shares = [...]iptwalk.Share{
	ipsetsync.NoneOf: iptwalk.NoneOf, ipsetsync.SomeOf: iptwalk.SomeOf,
	ipsetsync.AllOf: iptwalk.AllOf, ipsetsync.Unknown: iptwalk.Unknown,
}

// inSet looks the query up in a set or, for a set of sets, in its members.
func (p *PlacesFinder) inSet(of iptwalk.SetMatch, q netip.Prefix) iptwalk.SetMember {
	m, err := p.Set(of.Name)
	if err != nil && !errors.Is(err, ipsetsync.ErrNotFound) {
		for f := range p.unread {
			p.unread[f] = append(p.unread[f], err.Error())
		}
	}
	if m == nil {
		return iptwalk.SetMember{Share: iptwalk.Unknown}
	}
	if m.IsList() {
		return p.inList(m.Sets, of, q)
	}
	if of.Exceptions {
		m = p.exceptions(m)
	}
	got := m.Ask(cidr.FromNetip(q), of.By)
	found := iptwalk.SetMember{Share: shares[got.Share], Limits: got.Limits}
	if got.Share == ipsetsync.AllOf || got.Share == ipsetsync.SomeOf {
		found.Entry = got.Entry.Netip()
	}
	return found
}

// exceptions returns the exceptions (nomatch entries) of a set, built only once.
func (p *PlacesFinder) exceptions(m *ipsetsync.Members) *ipsetsync.Members {
	const of = "exceptions of "
	if p.members[of+m.Name] == nil {
		p.members[of+m.Name] = m.Exceptions()
	}
	return p.members[of+m.Name]
}

// inList looks the query up in the members of a set of sets: it is in the set if one has it.
func (p *PlacesFinder) inList(sets []string, of iptwalk.SetMatch, q netip.Prefix) (all iptwalk.SetMember) {
	for _, of.Name = range sets {
		found := p.inSet(of, q)
		found.Set = of.Name
		switch {
		case found.Share == iptwalk.AllOf && len(found.Limits) == 0:
			return found
		case found.Share == iptwalk.NoneOf:
		case all.Share == iptwalk.NoneOf:
			all = found
		case all.Share == iptwalk.AllOf && found.Share == iptwalk.AllOf:
			all.Limits = slices.Concat(all.Limits, found.Limits)
		case all.Share != found.Share:
			all = iptwalk.SetMember{Share: iptwalk.Unknown}
		}
	}
	return all
}

// recentLists is the folder of xt_recent's lists. Each network namespace has its own.
func recentLists() string { return "/proc/" + procself.Name() + "/net/xt_recent" }

// inRecent looks the query up in a list of xt_recent.
func (p *PlacesFinder) inRecent(name string, q netip.Prefix) iptwalk.Share {
	addrs, known := p.recent[name]
	if !known {
		text, err := os.ReadFile(filepath.Join(recentLists(), filepath.Base(name)))
		if err != nil {
			return iptwalk.Unknown
		}
		for line := range strings.Lines(string(text)) {
			source, _, _ := strings.Cut(strings.TrimPrefix(line, "src="), " ")
			if addr, err := netip.ParseAddr(source); err == nil {
				addrs = append(addrs, addr)
			}
		}
		p.recent[name] = addrs
	}
	switch {
	case q.IsSingleIP() && slices.Contains(addrs, q.Addr()):
		return iptwalk.AllOf
	case slices.ContainsFunc(addrs, q.Contains):
		return iptwalk.SomeOf
	}
	return iptwalk.NoneOf
}
