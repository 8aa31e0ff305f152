package agent

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	facts "github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/portrange"
	"github.com/voipbl/voipbl/nft"
)

// Obstacle is why rules that are installed do not have their effect: they are as they
// should be, and nobody has to repair them, but what others have in the firewall comes
// before them or goes past them.
type Obstacle struct {
	Kind   ObstacleKind `json:"kind"`
	Error  string       `json:"error"`
	Remedy string       `json:"remedy"`
}

// ObstacleKind is how others are in the way.
type ObstacleKind string

const (
	// Unreached is that no packet comes to rules of voipbl.
	Unreached ObstacleKind = "unreached"

	// DroppedElsewhere is that another firewall drops what the base rules let in.
	DroppedElsewhere ObstacleKind = "dropped-elsewhere"

	// Bypassed is that packets of blocked addresses go past the rules that drop them.
	Bypassed ObstacleKind = "bypassed"
)

// Obstacles finds what is in the way of the rules that the kernel has, whoever asks:
// status, sync, apply, setup and doctor. native may be nil, where it could not be read.
func Obstacles(cfg config.Config, rules []KernelRules, native *nft.Ruleset) []Obstacle {
	var all []Obstacle
	for _, k := range rules {
		for _, f := range firewall.Families {
			all = append(all, unreached(k, f)...)
		}
	}
	all = append(all, droppedElsewhere(cfg, rules, native)...)
	for _, f := range firewall.Families {
		if o := bypassed(cfg, rules, native, f); o != nil {
			all = append(all, *o)
		}
	}
	return all
}

// RulesCommand is the name of a family's tool in a backend, such as "ip6tables-legacy".
func RulesCommand(b firewall.Backend, f firewall.Family) string {
	return [...]string{"iptables", "ip6tables"}[f] + "-" + string(b)
}

// unreached finds rules of ours that no packet comes to, by the rule of others that stands
// above them.
func unreached(k KernelRules, f firewall.Family) []Obstacle {
	type cause struct{ chain, rule string }
	var causes []cause
	behind := make(map[cause][]firewall.Shadow)
	for _, s := range k.Saved[f].Shadowed() {
		if s.Same || !s.Ours {
			continue
		}
		c := cause{s.ByChain, s.By}
		if behind[c] == nil {
			causes = append(causes, c)
		}
		behind[c] = append(behind[c], s)
	}
	var all []Obstacle
	for _, c := range causes {
		tool, by := RulesCommand(k.Backend, f), fmt.Sprintf("\"-A %s %s\"", c.chain, c.rule)
		var purposes []string
		o := Obstacle{Kind: Unreached, Remedy: fmt.Sprintf("take it out or make it narrower: %s -D %s %s", tool, c.chain, c.rule)}
		for _, s := range behind[c] {
			purposes = append(purposes, "\""+firewall.Purpose(s.Rule)+"\"")
			if strings.HasSuffix(" "+s.Rule, " -j "+firewall.BaseChain) {
				o.Error = fmt.Sprintf("%s: the base rules are installed, and no packet comes to them: %s stands above", tool, by)
			}
		}
		if o.Error == "" {
			o.Error = fmt.Sprintf("%s: %s leaves no packet for %s of voipbl's: %s", tool, by, rulesCount(len(purposes)), firstFew(slices.Compact(purposes), 3))
		}
		all = append(all, o)
	}
	return all
}

func rulesCount(n int) string {
	if n == 1 {
		return "1 rule"
	}
	return fmt.Sprintf("%d rules", n)
}

func firstFew(all []string, few int) string {
	if len(all) <= few {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:few], ", "), len(all)-few)
}

// droppedElsewhere finds native tables that drop, for certain, what the base rules in
// force let in.
func droppedElsewhere(cfg config.Config, rules []KernelRules, native *nft.Ruleset) []Obstacle {
	base := baseSettings(cfg, nil)
	if base == nil || native == nil {
		return nil
	}
	var tables []string
	dropped := make(map[string][]string)
	for _, f := range firewall.Families {
		if !slices.ContainsFunc(rules, func(k KernelRules) bool { return k.Saved[f].HasBase() }) {
			continue
		}
		for _, l := range letIn(*base, f) {
			drops := native.Fate(l.packet).Drops
			i := slices.IndexFunc(drops, nft.DropPlace.All)
			if i < 0 {
				continue
			}
			of := nft.Named(drops[i].Table, drops[i].Base)
			if dropped[of] == nil {
				tables = append(tables, of)
			}
			switch {
			case slices.Contains(dropped[of], l.words): // over the other family too
			case f == firewall.IPv6 && !l.packet.Source.IsValid():
				dropped[of] = append(dropped[of], l.words+" over IPv6")
			default:
				dropped[of] = append(dropped[of], l.words)
			}
		}
	}
	var all []Obstacle
	for _, t := range tables {
		kind := "table"
		if strings.Count(t, " ") > 1 {
			kind = "chain"
		}
		all = append(all, Obstacle{
			Kind:   DroppedElsewhere,
			Error:  fmt.Sprintf("%s %s of nftables drops what the base rules let in: %s", kind, t, firstFew(slices.Compact(dropped[t]), 3)),
			Remedy: fmt.Sprintf("let it in there too (\"nft list %[1]s %[2]s\" shows the rules), or take that %[1]s out (%[3]s), or set \"firewall: {base: false}\"", kind, t, facts.TakeOutRemedy(t)),
		})
	}
	return all
}

// admission is something that base rules let in.
type admission struct {
	packet nft.Packet
	words  string
}

// letIn is what base rules let in of a family, a packet for each: of a local network or
// trunk, or of strangers.
func letIn(base firewall.Base, f firewall.Family) (all []admission) {
	add := func(name, proto string, ports []firewall.PortRange, public bool, from []netip.Prefix) {
		for _, r := range ports {
			words := fmt.Sprintf("%s (%s %s)", name, proto, r)
			p := nft.Packet{Proto: proto, Port: r.First, Is6: f == firewall.IPv6}
			if public {
				all = append(all, admission{p, words})
				continue
			}
			for _, n := range from {
				if n.Addr().Is6() != p.Is6 {
					continue
				}
				p.Source = n
				all = append(all, admission{p, words + " from " + n.String()})
			}
		}
	}
	add("sip", "udp", base.SIP, base.SIPPublic, slices.Concat(base.LocalNetworks, base.Trunks))
	add("rtp", "udp", []firewall.PortRange{base.RTP}, true, nil)
	for _, s := range base.Services {
		if s.Proto == "tcp" || s.Proto == "udp" {
			add(s.Name, s.Proto, s.Ports, s.Public, base.LocalNetworks)
		}
	}
	return all
}

// bypassed tells of ports that are sent on to containers and other hosts where the members
// of the sets are dropped in INPUT alone.
func bypassed(cfg config.Config, rules []KernelRules, native *nft.Ruleset, f firewall.Family) *Obstacle {
	set := [2]string{cfg.Set, cfg.SetName6()}[f]
	dropped := false
	for _, k := range rules {
		if k.Saved[f].ForwardLooksAt(set) {
			return nil
		}
		dropped = dropped || k.Saved[f].LooksAt(set)
	}
	var ports []string
	for _, p := range Published(rules, native, f) {
		if name := PortName(p); !slices.Contains(ports, name) {
			ports = append(ports, name)
		}
	}
	if len(ports) == 0 || !dropped {
		return nil
	}
	remedy := "set \"firewall: {drop_at: prerouting}\", which stands before both"
	switch cfg.Firewall.DropAt {
	case config.DropAuto:
		remedy = "run \"voipbl sync\": drop_at: auto means prerouting here"
	case config.DropNone:
		remedy = "have the program whose rules these are drop them in raw PREROUTING, or in DOCKER-USER"
	}
	return &Obstacle{Kind: Bypassed, Error: fmt.Sprintf("blocked addresses are dropped in INPUT, and reach %s over %s past it", firstFew(ports, 4), f), Remedy: remedy}
}

// PortName names a published port.
func PortName(p firewall.Published) string {
	if p.Ports == portrange.All {
		return "each port of " + orElse(p.Proto, "any protocol")
	}
	return p.Proto + " " + p.Ports.String()
}

// obstacles are those to the rules that the kernel has now. With an error there may be
// more: they are among what could not be read.
func (r *rules) obstacles(ctx context.Context, saved [2]*firewall.Saved) ([]Obstacle, error) {
	known, native, err := readAround(ctx, r.cfg, r.fw.Backend, saved)
	return Obstacles(r.cfg, known, native), err
}
