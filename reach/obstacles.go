package reach

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/portrange"
	"github.com/voipbl/voipbl/internal/steps"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/iptwalk"
	"github.com/voipbl/voipbl/nft"
	"github.com/voipbl/voipbl/settings"
)

// Obstacle is why rules that are installed correctly have no effect: somebody else's rules come
// before them, or packets go past them.
type Obstacle struct {
	Kind   ObstacleKind `json:"kind"`
	Error  string       `json:"error"`
	Remedy string       `json:"remedy"`

	where, rule string         // what drops packets, as in a [Place]
	whose       []netip.Prefix // only of these networks; empty for everybody
}

// ObstacleKind is how others' rules are in the way.
type ObstacleKind string

const (
	// Unreached: no packet reaches voipbl's rules.
	Unreached ObstacleKind = "unreached"

	// DroppedElsewhere: others' rules drop what the base rules let in, or what is sent on to a
	// PBX in a container.
	DroppedElsewhere ObstacleKind = "dropped-elsewhere"

	// Bypassed: packets of blocked addresses go past the rules that should drop them.
	Bypassed ObstacleKind = "bypassed"
)

// Passed has all rules that packets for this host pass.
type Passed struct {
	Rules  []KernelRules
	Native *nft.Ruleset // nil if it could not be read

	// Arrivals says by which interfaces packets arrive, if a rule depends on that.
	Arrivals *host.Arrivals

	// NoRaw are the families whose raw table cannot be used, RawFailed those whose raw table could
	// not be changed just now.
	NoRaw, RawFailed [2]bool

	// Left limits the search for what happens to packets. What is not found within it is
	// unknown, and is not reported.
	Left *steps.Left
}

// Obstacles finds what is in the way of the rules in the kernel. status, sync, apply, setup and
// doctor all use it. trunks are the resolved addresses. With the error ErrTooMany there may be
// more.
func Obstacles(cfg config.Config, trunks []netip.Prefix, p Passed) ([]Obstacle, error) {
	var all []Obstacle
	for _, k := range p.Rules {
		for _, f := range iptables.Families {
			all = append(all, unreached(k, f)...)
		}
	}
	if base := settings.BaseSettings(cfg, trunks); base != nil {
		all = append(all, droppedElsewhere(*base, p, all)...)
	}
	all = append(all, forwardedElsewhere(cfg, p, all)...)
	for _, f := range iptables.Families {
		if o := bypassed(cfg, p, f); o != nil {
			all = append(all, *o)
		}
	}
	return all, p.Left.Err(ErrTooMany)
}

// RulesCommand is the name of a family's tool in a backend, such as "ip6tables-legacy".
func RulesCommand(b firewall.Backend, f iptables.Family) string {
	return [...]string{"iptables", "ip6tables"}[f] + "-" + string(b)
}

// unreached finds voipbl's rules that no packet reaches, because of somebody else's rule above
// them.
func unreached(k KernelRules, f iptables.Family) []Obstacle {
	type cause struct{ table, chain, rule string }
	var causes []cause
	behind := make(map[cause][]iptwalk.Shadow)
	for _, s := range iptwalk.Shadowed(k.Saved[f]) {
		if s.Same || !s.Ours {
			continue
		}
		c := cause{s.Table, s.ByChain, s.By}
		if behind[c] == nil {
			causes = append(causes, c)
		}
		behind[c] = append(behind[c], s)
	}
	var all []Obstacle
	for _, c := range causes {
		tool, by := RulesCommand(k.Backend, f), fmt.Sprintf("\"-A %s %s\"", c.chain, c.rule)
		var purposes []string
		o := Obstacle{
			Kind:   Unreached,
			Remedy: fmt.Sprintf("take it out or make it narrower: %s%s -D %s %s", tool, TableOption(c.table), c.chain, c.rule),
			where:  whereOf(k.Backend, f, c.table, c.chain), rule: "-A " + c.chain + " " + iptables.WithoutPurpose(c.rule),
		}
		for _, s := range behind[c] {
			purposes = append(purposes, "\""+iptables.Purpose(s.Rule)+"\"")
			if strings.HasSuffix(" "+s.Rule, " -j "+iptables.BaseChain) {
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

// bypassed finds ports that are sent on to containers and other hosts if the members of the sets
// are dropped only in INPUT; else nil.
func bypassed(cfg config.Config, on Passed, f iptables.Family) *Obstacle {
	set := [2]string{cfg.Set, cfg.SetName6()}[f]
	dropped := false
	for _, k := range on.Rules {
		if iptwalk.ForwardLooksAt(k.Saved[f], set) {
			return nil
		}
		dropped = dropped || iptwalk.LooksAt(k.Saved[f], set)
	}
	var ports []string
	for _, p := range on.sentOn(f) {
		if name := PortName(p); !slices.Contains(ports, name) {
			ports = append(ports, name)
		}
	}
	if len(ports) == 0 || !dropped {
		return nil
	}
	remedy := "set \"firewall: {drop_at: prerouting}\", which stands before both"
	switch auto := cfg.Firewall.DropAt == config.DropAuto; {
	case auto && on.NoRaw[f]:
		remedy = "have the raw table usable (of legacy iptables: \"modprobe -a iptable_raw ip6table_raw\", in a container on its host), then run \"voipbl firewall apply\"; or have rules in DOCKER-USER drop them"
	case auto && on.RawFailed[f]:
		remedy = "run \"voipbl sync\", which tries the raw table again; if that fails, see \"journalctl -k\""
	case auto:
		remedy = "run \"voipbl sync\": drop_at: auto means prerouting here"
	case cfg.Firewall.DropAt == config.DropNone:
		remedy = "have the program whose rules these are drop them in raw PREROUTING, or in DOCKER-USER"
	}
	return &Obstacle{Kind: Bypassed, Error: fmt.Sprintf("blocked addresses are dropped in INPUT, and reach %s over %s past it", firstFew(ports, 4), f), Remedy: remedy}
}

// PortName describes a published port.
func PortName(p iptwalk.Published) string {
	if p.Ports == portrange.All {
		return "each port of " + cmp.Or(p.Proto, "any protocol")
	}
	return p.Proto + " " + p.Ports.String()
}
