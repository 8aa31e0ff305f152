package impact

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/flows"
	"github.com/voipbl/voipbl/internal/deadline"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testvalue"
)

// change returns a change that cuts addresses off, each with its flows: "45.0.0.1=call,sip/udp".
func change(text string) *Change {
	c := &Change{}
	for _, word := range strings.Fields(text) {
		addr, uses, _ := strings.Cut(word, "=")
		cut := CutOff{Address: netip.MustParseAddr(addr)}
		for _, use := range strings.Split(uses, ",") {
			of, proto, _ := strings.Cut(use, "/")
			cut.Flows = append(cut.Flows, flows.UsedFlow{Use: flows.Use(of), Proto: proto, Port: 1})
		}
		c.all = append(c.all, cut)
	}
	return c
}

// who says whom a decision is about.
func (d Decision) who() string {
	var all []string
	if d.Held != nil {
		for _, c := range d.Held.Addresses {
			all = append(all, "held by "+c.Address.String())
		}
	}
	for _, c := range d.Spared {
		all = append(all, "spared "+c.Address.String())
	}
	if d.Cut != nil {
		for _, c := range d.Cut.Addresses {
			all = append(all, "cut "+c.Address.String())
		}
	}
	return strings.Join(all, ", ")
}

func inForce(text string) InForce {
	sets := prefixes(text)
	return InForce{Any: sets.Len() > 0, Holders: sets}
}

// TestDecide: what becomes of a change, by on_impact and by what those have whom it cuts off.
func TestDecide(t *testing.T) {
	now := deadline.Clock{Boot: "b", Up: 10 * time.Hour, Wall: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)}
	since := func(addr string, ago time.Duration) Spared {
		return Spared{CutOff{Address: netip.MustParseAddr(addr)}, now.Wall.Add(-ago), now.Up - ago}
	}
	const all = "45.0.0.1=call/udp,sip/udp 45.0.0.2=tcp/tcp 45.0.0.3=sip/tcp 45.0.0.4=sip/udp"
	for _, c := range []struct {
		on, cut, inForce string
		spared           []Spared
		want             string
	}{
		{config.ImpactReport, all, "46.0.0.0/8", []Spared{since("45.0.0.1", 0)}, "cut 45.0.0.1, cut 45.0.0.2, cut 45.0.0.3, cut 45.0.0.4"},
		{config.ImpactProtect, all, "46.0.0.0/8", nil, "spared 45.0.0.1, cut 45.0.0.2, cut 45.0.0.3, cut 45.0.0.4"},
		{config.ImpactProtect, all, "", []Spared{since("45.0.0.1", time.Hour-1)}, "spared 45.0.0.1, cut 45.0.0.2, cut 45.0.0.3, cut 45.0.0.4"},
		{config.ImpactProtect, "45.0.0.1=call/udp 45.0.0.5=call/udp", "", []Spared{since("45.0.0.1", time.Hour)}, "spared 45.0.0.5, cut 45.0.0.1"},
		{config.ImpactProtect, "45.0.0.2=tcp/tcp 45.0.0.1=call/udp", "", nil, "spared 45.0.0.1, cut 45.0.0.2"},
		{config.ImpactProtect, "45.0.0.4=sip/udp", "", []Spared{since("45.0.0.4", time.Minute)}, "cut 45.0.0.4"}, // its call has ended
		{config.ImpactHold, all, "46.0.0.0/8", nil, "held by 45.0.0.1, held by 45.0.0.2, held by 45.0.0.3"},
		{config.ImpactHold, all, "45.0.0.0/31", nil, "held by 45.0.0.2, held by 45.0.0.3"},
		{config.ImpactHold, all, "45.0.0.0/30", nil, "cut 45.0.0.1, cut 45.0.0.2, cut 45.0.0.3, cut 45.0.0.4"}, // the lists before block them, too
		{config.ImpactHold, all, "", nil, "cut 45.0.0.1, cut 45.0.0.2, cut 45.0.0.3, cut 45.0.0.4"},            // there were none
		{config.ImpactHold, "45.0.0.4=sip/udp", "46.0.0.0/8", nil, "cut 45.0.0.4"},
		{config.ImpactHold, "", "46.0.0.0/8", nil, ""},
	} {
		if got := change(c.cut).Decide(c.on, inForce(c.inForce), c.spared, now).who(); got != c.want {
			t.Errorf("%s of %s, in force %q, spared %v:\n%s\nnot %s", c.on, c.cut, c.inForce, c.spared, got, c.want)
		}
	}
	if (*Change)(nil).Untracked() || (&Change{}).Untracked() || !(&Change{untracked: true}).Untracked() {
		t.Error("it is not known whether calls are")
	}
	if d := (*Change)(nil).Decide(config.ImpactHold, inForce("46.0.0.0/8"), nil, now); d.who() != "" || d.Cut != nil {
		t.Errorf("no change: %+v", d)
	}

	// The first decision counts: how long somebody is spared, and since when lists wait.
	d := change(all).Decide(config.ImpactProtect, InForce{}, []Spared{since("45.0.0.1", time.Minute)}, now)
	if got := d.Spared[0]; !got.Since.Equal(now.Wall.Add(-time.Minute)) || !got.Until().Equal(now.Wall.Add(59*time.Minute)) || len(got.Flows) != 2 {
		t.Errorf("%+v", got)
	}
	before := &Held{Since: now.Wall.Add(-time.Hour)}
	held := change(all).Decide(config.ImpactHold, inForce("46.0.0.0/8"), nil, now).Held
	if held.Since != now.Wall || held.After(nil).Since != now.Wall || held.After(before).Since != before.Since {
		t.Errorf("%+v", held)
	}

	if got := change(all).Holders(config.ImpactHold); got.Len() != 2 || !got.Contains(cidr.MustParsePrefix("45.0.0.1")) || !got.Contains(cidr.MustParsePrefix("45.0.0.2/31")) {
		t.Errorf("%v", got) // .1, and .2 and .3 as one network
	}
	if change(all).Holders(config.ImpactProtect).Len()+(*Change)(nil).Holders(config.ImpactHold).Len() != 0 {
		t.Error("somebody holds a change that does not wait")
	}

	// However many there are, few are named, and few spared: those before, then the first.
	var many strings.Builder
	for i := range 3 * mostSpared {
		fmt.Fprintf(&many, "45.0.0.%d=call/udp ", i)
	}
	last := fmt.Sprintf("45.0.0.%d", 3*mostSpared-1)
	d = change(many.String()).Decide(config.ImpactProtect, InForce{}, []Spared{since(last, time.Minute)}, now)
	if len(d.Spared) != mostSpared || d.Spared[0].Address.String() != last || d.Spared[1].Address.String() != "45.0.0.0" ||
		len(d.Cut.Addresses) != maxAddresses || d.Cut.More != 2*mostSpared-maxAddresses {
		t.Errorf("%s; %d more", d.who(), d.Cut.More)
	}
	if held := change(many.String()).Decide(config.ImpactHold, inForce("46.0.0.0/8"), nil, now).Held; len(held.Addresses) != maxAddresses || held.More != 3*mostSpared-maxAddresses {
		t.Errorf("%d, and %d more", len(held.Addresses), held.More)
	}
	if got := d.Except(); got.Len() == 0 || !got.Contains(cidr.MustParsePrefix(last)) || got.Contains(single(d.Cut.Addresses[0].Address)) {
		t.Errorf("%v", got)
	}
}

// TestOver: a decision is made anew once all calls have ended that hold lists, one that spares somebody, or
// the time for that, or once they are banned.
func TestOver(t *testing.T) {
	hosts, peers := testvalue.Addrs("203.0.113.1", "2001:db8:1::1"), testvalue.Addrs("45.0.0.8", "2a0a:1::1")
	pair := testns.EnterPair(t, hosts, peers)
	cfg, now := testvalue.Config(t, ""), deadline.Clock{Up: 10 * time.Hour}
	host := hosts[0]
	from := func(addr string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(addr), 4000) }
	for _, err := range []error{
		testns.Track(false, from("45.0.0.1"), netip.AddrPortFrom(host, 12000)),
		testns.Track(true, from("45.0.0.2"), netip.AddrPortFrom(host, 5061)),
		testns.Track(false, from("45.0.0.3"), netip.AddrPortFrom(host, 5060)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	held := func(addrs ...string) *Held {
		h := &Held{}
		for _, a := range addrs {
			h.Addresses = append(h.Addresses, CutOff{Address: netip.MustParseAddr(a)})
		}
		return h
	}
	spared := func(addr string, ago time.Duration) []Spared {
		return []Spared{{CutOff: CutOff{Address: netip.MustParseAddr(addr)}, Up: now.Up - ago}}
	}
	for _, c := range []struct {
		held   *Held
		spared []Spared
		banned string
		want   bool
	}{
		{held("45.0.0.1"), nil, "", false},
		{held("45.0.0.2"), nil, "", false},
		{held("45.0.0.3"), nil, "", true}, // SIP over UDP holds nothing
		{held("45.0.0.9", "45.0.0.2"), nil, "", false},
		{held("45.0.0.9"), nil, "", true},
		{held("45.0.0.1", "45.0.0.2"), nil, "45.0.0.1", false},
		{held("45.0.0.1", "45.0.0.2"), nil, "45.0.0.0/30", true},
		{nil, spared("45.0.0.1", time.Hour-1), "", false},
		{nil, spared("45.0.0.1", time.Hour), "", true},
		{nil, spared("45.0.0.1", 0), "45.0.0.1", true},
		{nil, spared("45.0.0.2", 0), "", true}, // no call
	} {
		if got, err := Over(cfg, c.held, c.spared, prefixes(c.banned), now); got != c.want || err != nil {
			t.Errorf("%+v, %+v, banned %q: %v, %v", c.held, c.spared, c.banned, got, err)
		}
	}
	if err := testns.Untrack(false, from("45.0.0.1"), netip.AddrPortFrom(host, 12000)); err != nil {
		t.Fatal(err)
	}
	if over, err := Over(cfg, held("45.0.0.1"), nil, cidr.Sets{}, now); !over || err != nil {
		t.Errorf("after the call: %v, %v", over, err)
	}

	// What is seen in spite of an error counts, as for the decision itself; but nobody who is spared is cut off
	// for an error.
	conn := connected(t, pair, netip.AddrPortFrom(host, 443), peers[0])
	defer conn.Close()
	dropRights(t)
	for _, c := range []struct {
		held   *Held
		spared []Spared
		want   bool
	}{
		{held("45.0.0.8"), nil, false},
		{held("45.0.0.2"), nil, true}, // a look with rights still sees it
		{held("45.0.0.2", "45.0.0.8"), nil, false},
		{nil, spared("45.0.0.3", time.Hour-1), false},
		{nil, spared("45.0.0.3", time.Hour), true},
	} {
		if got, err := Over(cfg, c.held, c.spared, cidr.Sets{}, now); got != c.want || (err == nil) != (c.spared != nil && c.want) {
			t.Errorf("without rights: %+v, %+v: %v, %v", c.held, c.spared, got, err)
		}
	}
}
