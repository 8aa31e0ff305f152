package reach

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/iptwalk"
	"github.com/voipbl/voipbl/nft"
	"github.com/voipbl/voipbl/nftwalk"
)

// nativeRules are the rules of nf_tables that iptables' tools do not show.
type nativeRules struct {
	rules  *nft.Ruleset
	owners map[string]string // which program owns each table
	here   []netip.Addr      // addresses of this host; see [Passed]
}

// readNative reads the native rules, with the members of their sets.
func readNative(ctx context.Context, rules []KernelRules) (*nativeRules, error) {
	ruleset, err := ReadNative(ctx, rules, true)
	if err != nil {
		return nil, err
	}
	n := &nativeRules{rules: ruleset, owners: make(map[string]string)}
	for _, o := range nftwalk.Owners(ruleset) {
		for _, table := range o.Tables {
			if !strings.HasPrefix(o.Name, "nftables") {
				n.owners[table] = o.Name
			}
		}
	}
	return n, nil
}

// of returns the places where native rules drop packets of an address or prefix. by is the
// interface by which they arrive, if known; others is what iptables' rules may have done to
// them. If cut is true, there may be more places.
func (n *nativeRules) of(q netip.Prefix, by string, others iptwalk.Others) (places []Place, cut bool) {
	if n == nil || len(n.rules.Tables) == 0 {
		return nil, false
	}
	for _, forwarded := range []bool{false, true} {
		found, some := nftwalk.BySource(n.rules, nftwalk.Packet{Source: q, Interface: by, Here: n.here, Forwarded: forwarded, Others: nftwalk.Others(others)})
		cut = cut || some
		for _, d := range found {
			p := n.place(d, q, forwarded)
			same := func(o Place) bool {
				return o.Where == p.Where && o.Rule == p.Rule && slices.Equal(o.Ports, p.Ports) && !o.Containers
			}
			if !slices.ContainsFunc(places, same) {
				places = append(places, p)
			}
		}
	}
	return places, cut
}

// affects returns what native rules may do to packets that iptables' rules see.
func (n *nativeRules) affects(q netip.Prefix) iptwalk.Others {
	if n == nil {
		return iptwalk.Others{}
	}
	return iptwalk.Others(nftwalk.Affects(n.rules, nftwalk.Packet{Source: q, Here: n.here}))
}

func (n *nativeRules) place(d nftwalk.DropPlace, q netip.Prefix, forwarded bool) Place {
	by := n.owners[d.Table]
	p := Place{
		Where: "nftables, " + d.Table + " " + d.Chain, Kind: ByOther, By: by, Rule: d.Rule, Set: d.Set,
		Ports: []string{}, LetIn: []string{}, Containers: forwarded, Part: d.Part, Certain: d.Certain, Then: d.Then,
		Rejected: strings.Contains(d.Rule, "reject"), early: d.Hook == nft.Ingress || d.Hook == nft.Prerouting, behind: d.BehindNAT,
	}
	if d.Entry.IsValid() {
		entry := d.Entry
		p.Entry = &entry
	}
	if by == nft.Fail2ban {
		p.Kind = ByFail2ban
	}
	for _, ports := range d.Ports {
		p.Ports = append(p.Ports, d.Proto+" "+ports.String())
	}
	if len(d.Ports) == 0 && d.Proto != "" {
		p.Ports = append(p.Ports, d.Proto)
	}
	if p.Rule == "" {
		p.Rule = "policy drop"
	}
	p.Remedy = nativeRemedy(p, d, q)
	return p
}

func nativeRemedy(p Place, d nftwalk.DropPlace, q netip.Prefix) string {
	entry := cidr.Text(q)
	if p.Entry != nil {
		entry = cidr.Text(*p.Entry)
	}
	out := fmt.Sprintf("nft delete rule %s %s handle %d", d.Table, d.Chain, d.Handle)
	if d.Set != "" && p.Entry != nil {
		out = fmt.Sprintf("nft delete element %s %s '{ %s }'", d.Table, d.Set, entry)
	}
	switch {
	case d.Then != "":
		return fmt.Sprintf("nft insert rule %s %s %s saddr %s accept", d.Table, d.Chain, map[bool]string{false: "ip", true: "ip6"}[q.Addr().Is6()], cidr.Text(q))
	case p.Kind == ByFail2ban:
		return fmt.Sprintf("fail2ban-client unban %s; if it stays: %s", entry, out)
	case p.By == scriptOwner:
		return "voipbl migrate"
	case d.Set != "" && p.Entry != nil:
		return fmt.Sprintf("%s; %s adds it again unless you take it off its list", out, orWhoever(p.By))
	}
	return out
}
