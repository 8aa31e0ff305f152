// Package impact tells whom a change of the lists cuts off: addresses that it newly blocks and that
// this host talks with at that moment. Such an address may be a friend with a call, or an attacker
// whom the list has just got; only a person can tell them apart. It decides, by on_impact, whether the
// change is made, waits, or spares some of them for a while.
//
// Package blocklist asks it before each change of the sets, does what it decides, and keeps that in the
// record of the sets, for status and the next change.
package impact

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/flows"
	"github.com/voipbl/voipbl/ipsetsync"
)

// Report is whom a change of the lists cuts off.
type Report struct {
	Addresses []CutOff `json:"addresses"` // the first 32: those with calls first
	More      int      `json:"more"`      // how many others there are
	AtLeast   bool     `json:"at_least"`  // there are more than More says, too many to count

	// Untracked reports that the kernel tracks no connections, so that only TCP connections are
	// known.
	Untracked bool `json:"untracked"`
}

// CutOff is an address that is cut off while this host talks with it.
type CutOff struct {
	Address netip.Addr       `json:"address"`
	Flows   []flows.UsedFlow `json:"flows"` // one for each use, of SIP one by TCP and one by UDP

	// Listed is the first line that lists the address.
	Listed *Line `json:"listed,omitempty"`
}

// Line is a line of a list.
type Line struct {
	Feed string `json:"feed"`
	File string `json:"file"` // URL or file
	Line int    `json:"line"`
}

const (
	// maxAddresses is how many addresses a report names.
	maxAddresses = 32

	// maxDecided is for how many addresses it is decided one by one.
	maxDecided = 1024
)

// Change is whom a change of the lists would cut off.
type Change struct {
	all       []CutOff // the first ones
	more      int      // how many others there are
	atLeast   bool     // there are more than more says
	untracked bool
}

// Begin begins to look who talks with this host; see [Of].
func Begin(cfg config.Config) *flows.Early { return flows.Begin(portsOf(cfg)) }

func portsOf(cfg config.Config) flows.Ports {
	return flows.Ports{SIP: cfg.Firewall.SIP.Ports, RTP: []config.PortRange{cfg.Firewall.RTP}}
}

// Of returns whom the plans of the sets would cut off. lives are the sets that they were made of. early
// is a look that has begun; nil if none has. banned returns who is blocked by a ban already. The result is
// nil if the plans block no more than before.
func Of(cfg config.Config, plans []*ipsetsync.Plan, lives [2]*ipsetsync.Live, early *flows.Early, banned func() cidr.Sets) (*Change, error) {
	if !slices.ContainsFunc(plans, func(p *ipsetsync.Plan) bool { return p.Lacked > 0 }) {
		return nil, nil
	}
	if early == nil {
		early = flows.Now(portsOf(cfg))
	}
	bans := banned()
	cut, seen := early.Among(func(addr netip.Addr) bool {
		left := addr.Is6() && cfg.Firewall.IPv6 == config.IPv6Off // no rule drops it
		return !left && newlyBlocks(plans, lives, addr) && !bans.Contains(single(addr))
	})
	c := &Change{atLeast: cut.Full, untracked: seen.Tracked == 0}
	for _, t := range cut.First(maxDecided) {
		c.all = append(c.all, CutOff{Address: t.Address, Flows: t.Flows})
	}
	c.more = cut.Len() - len(c.all)
	if seen.Err != nil {
		return c, fmt.Errorf("it is not known whose calls the lists cut off: %w", seen.Err)
	}
	return c, nil
}

// report returns a report of those who are cut off.
func (c *Change) report(cutOff func(netip.Addr) bool) *Report {
	r := &Report{Addresses: []CutOff{}, More: c.more, AtLeast: c.atLeast, Untracked: c.untracked}
	for _, cut := range c.all {
		switch {
		case !cutOff(cut.Address):
		case len(r.Addresses) == maxAddresses:
			r.More++
		default:
			r.Addresses = append(r.Addresses, cut)
		}
	}
	return r
}

// newlyBlocks reports whether an address is blocked after the plans, and was not before.
func newlyBlocks(plans []*ipsetsync.Plan, lives [2]*ipsetsync.Live, addr netip.Addr) bool {
	a := single(addr)
	i := slices.IndexFunc(plans, func(p *ipsetsync.Plan) bool { return p.Family == a.Family() })
	if i < 0 || plans[i].Lacked == 0 || !plans[i].Entries().Contains(a) {
		return false
	}
	live := lives[a.Family()]
	return live == nil || !ipsetsync.IsOurs(live.Header, a.Family()) || !live.Covers(a)
}

func single(addr netip.Addr) cidr.Prefix {
	return cidr.FromNetip(netip.PrefixFrom(addr, addr.BitLen()))
}

// Done leaves out addresses of a family whose set could not be changed: plans are those that were
// carried out.
func (r *Report) Done(plans []*ipsetsync.Plan) {
	if r != nil {
		r.Addresses = slices.DeleteFunc(r.Addresses, func(c CutOff) bool { return !blocked(plans, c.Address) })
	}
}

// blocked reports whether one of the plans blocks an address.
func blocked(plans []*ipsetsync.Plan, addr netip.Addr) bool {
	a := single(addr)
	return slices.ContainsFunc(plans, func(p *ipsetsync.Plan) bool { return p.Family == a.Family() && p.Entries().Contains(a) })
}

// Any reports whether anybody is cut off.
func (r *Report) Any() bool { return r != nil && len(r.Addresses) > 0 }

// named returns all addresses that a decision names.
func (d Decision) named() (all []*CutOff) {
	if d.Cut != nil {
		for i := range d.Cut.Addresses {
			all = append(all, &d.Cut.Addresses[i])
		}
	}
	if d.Held != nil {
		for i := range d.Held.Addresses {
			all = append(all, &d.Held.Addresses[i])
		}
	}
	for i := range d.Spared {
		all = append(all, &d.Spared[i].CutOff)
	}
	return all
}

// Set returns the addresses that a decision names as a set, to look for them in lists.
func (d Decision) Set() cidr.Sets {
	var all []cidr.Prefix
	for _, c := range d.named() {
		all = append(all, single(c.Address))
	}
	return cidr.SetOf(all...)
}

// Found notes a line with a prefix, for the addresses in it that have none yet.
func (d Decision) Found(p cidr.Prefix, line Line) {
	for _, c := range d.named() {
		if c.Listed == nil && p.Contains(single(c.Address)) {
			c.Listed = &line
		}
	}
}

// MoreWords says how many addresses there are that are not shown; "" if there are none.
func (r *Report) MoreWords(shown int) string {
	n := r.More + len(r.Addresses) - min(shown, len(r.Addresses))
	switch {
	case n == 0 && !r.AtLeast:
		return ""
	case n == 0:
		return "more"
	case r.AtLeast:
		return fmt.Sprintf("at least %d more", n)
	}
	return fmt.Sprintf("%d more", n)
}

// Words says who is cut off, from what, and by which line.
func (c CutOff) Words() string {
	var all []string
	for _, f := range c.Flows {
		words := fmt.Sprintf("%s %s %d", map[flows.Use]string{flows.Call: "call", flows.TCP: "connection", flows.SIP: "SIP"}[f.Use], f.Proto, f.Port)
		if f.Use == flows.TCP { // perhaps this host's own, to a port there
			words += fmt.Sprintf(" with %d", f.PeerPort)
		}
		all = append(all, words)
	}
	words := fmt.Sprintf("%s (%s)", c.Address, strings.Join(all, ", "))
	if l := c.Listed; l != nil {
		words += fmt.Sprintf(", by %s line %d", l.Feed, l.Line)
	}
	return words
}

// Remedy is how to let a friend in who is cut off.
func (c CutOff) Remedy() string { return "voipbl allow " + c.Address.String() }

// Ban is how to block an attacker for whom lists wait, or who is spared. Where no agent runs, the lists
// follow with the next sync.
func (c CutOff) Ban(agent bool) string {
	ban := "voipbl ban " + c.Address.String()
	if !agent {
		ban += " && voipbl sync"
	}
	return ban
}

// keep is for how long it is remembered who was cut off. By then a friend has complained.
const keep = 24 * time.Hour

// Past is an address that was cut off a while ago.
type Past struct {
	CutOff
	At time.Time `json:"at"`
}

// Remember returns who was cut off in the last day and is blocked still, the latest first: whom r says,
// and those before. plans are those that were carried out.
func Remember(before []Past, r *Report, at time.Time, plans []*ipsetsync.Plan) (all []Past) {
	if r != nil {
		for _, c := range r.Addresses {
			all = append(all, Past{c, at})
		}
	}
	planned := func(f cidr.Family) bool {
		return slices.ContainsFunc(plans, func(p *ipsetsync.Plan) bool { return p.Family == f })
	}
	for _, p := range Recent(before, at) {
		if planned(single(p.Address).Family()) && !blocked(plans, p.Address) ||
			slices.ContainsFunc(all, func(now Past) bool { return now.Address == p.Address }) {
			continue
		}
		all = append(all, p)
	}
	return all[:min(len(all), maxAddresses)]
}

// Recent returns those of the last day.
func Recent(all []Past, now time.Time) (recent []Past) {
	for _, p := range all {
		if now.Sub(p.At) < keep {
			recent = append(recent, p)
		}
	}
	return recent
}
