package ipsetsync

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/cidr"
)

func setOf(texts ...string) cidr.Set {
	var ps []cidr.Prefix
	for _, s := range texts {
		ps = append(ps, cidr.MustParsePrefix(s))
	}
	sets := cidr.SetOf(ps...)
	if sets[cidr.IPv6].Len() > 0 {
		return sets[cidr.IPv6]
	}
	return sets[cidr.IPv4]
}

// liveOf returns a set as voipbl makes it, with the given entries.
func liveOf(texts ...string) *Live {
	l := &Live{Header: Header{Name: "voip_bl", Type: TypeHashNet, Maxelem: maxelemDefault, Counters: true}}
	for _, s := range texts {
		l.Prefixes = append(l.Prefixes, cidr.MustParsePrefix(s))
	}
	l.Elements = uint32(len(texts))
	l.sort()
	return l
}

func TestPlan(t *testing.T) {
	changed := func(change func(*Live)) *Live {
		l := liveOf("192.0.2.1")
		change(l)
		return l
	}
	const build = "create voip_bl-next, add voip_bl-next, count voip_bl-next, "
	for _, test := range []struct {
		name                 string
		desired              cidr.Set
		live                 *Live
		added, removed, kept int
		why                  string
		steps                string
	}{
		{"no set yet", setOf("192.0.2.1"), nil, 1, 0, 0, "", build + "rename voip_bl-next"},
		{"no set yet and nothing to put in", cidr.Set{}, nil, 0, 0, 0, "", build + "rename voip_bl-next"},
		{"same", setOf("192.0.2.1"), liveOf("192.0.2.1"), 0, 0, 1, "", ""},
		{"same, seen twice in the dump", setOf("192.0.2.1"), liveOf("192.0.2.1", "192.0.2.1"), 0, 0, 1, "", ""},
		{"both empty", cidr.Set{}, liveOf(), 0, 0, 0, "", ""},
		{"other entries", setOf("192.0.2.1", "192.0.2.4", "192.0.2.9"), liveOf("192.0.2.0", "192.0.2.4", "192.0.2.8", "192.0.2.99"), 2, 3, 1, "", build + "swap voip_bl-next, destroy voip_bl-next"},
		{"to nothing", cidr.Set{}, liveOf("192.0.2.1"), 0, 1, 0, "", build + "swap voip_bl-next, destroy voip_bl-next"},
		{"same address, other length", setOf("192.0.2.0/24"), liveOf("192.0.2.0/25"), 1, 1, 0, "", build + "swap voip_bl-next, destroy voip_bl-next"},
		{"exception", setOf("192.0.2.1"), changed(func(l *Live) { l.NoMatch = 1 }), 0, 0, 1, "1 of its entries were exceptions (nomatch)", build + "swap voip_bl-next, destroy voip_bl-next"},
		{"timeout", setOf("192.0.2.1"), changed(func(l *Live) { l.Timeout = true }), 0, 0, 1, "its entries could expire", build + "swap voip_bl-next, destroy voip_bl-next"},
		{"no counters", setOf("192.0.2.1"), changed(func(l *Live) { l.Counters = false }), 0, 0, 1, "it had no counters", build + "swap voip_bl-next, destroy voip_bl-next"},
		{"forceadd", setOf("192.0.2.1"), changed(func(l *Live) { l.Forceadd = true }), 0, 0, 1, "it dropped entries when full (forceadd)", build + "swap voip_bl-next, destroy voip_bl-next"},
		{"maxelem", setOf("192.0.2.1"), changed(func(l *Live) { l.Maxelem = 65536 }), 0, 0, 1, "its maxelem was 65536, not 1048576", build + "swap voip_bl-next, destroy voip_bl-next"},
		{"larger maxelem", setOf("192.0.2.1"), changed(func(l *Live) { l.Maxelem = 2097152 }), 0, 0, 1, "its maxelem was 2097152, not 1048576", build + "swap voip_bl-next, destroy voip_bl-next"},
		{"skbinfo", setOf("192.0.2.1"), changed(func(l *Live) { l.Skbinfo = true }), 0, 0, 1, "it had extensions that are not ours", build + "swap voip_bl-next, destroy voip_bl-next"},
		{"other type", setOf("192.0.2.1"), changed(func(l *Live) { l.Type = "hash:ip" }), 1, 1, 0, "it was a hash:ip of IPv4", build + "destroy voip_bl, rename voip_bl-next"},
		{"other family", setOf("192.0.2.1"), changed(func(l *Live) { l.Family = cidr.IPv6 }), 1, 1, 0, "it was a hash:net of IPv6", build + "destroy voip_bl, rename voip_bl-next"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := NewPlan("voip_bl", cidr.IPv4, cidr.ShapeOf(test.desired, 0), test.live)
			if err != nil {
				t.Fatal(err)
			}
			if p.Added != test.added || p.Removed != test.removed || p.Kept != test.kept || p.Why != test.why {
				t.Errorf("added %d, removed %d, kept %d, why %q", p.Added, p.Removed, p.Kept, p.Why)
			}
			var steps []string
			for _, s := range p.Steps() {
				steps = append(steps, string(s.Op)+" "+s.Set)
			}
			if got := strings.Join(steps, ", "); got != test.steps || p.Unchanged() != (got == "") {
				t.Errorf("steps %q, want %q", got, test.steps)
			}
		})
	}
}

func TestPlanRefusesASetInUse(t *testing.T) {
	live := liveOf()
	live.Type, live.References = "hash:ip", 2
	_, err := NewPlan("voip_bl", cidr.IPv4, cidr.Shape{}, live)
	var inUse *InUseError
	if !errors.As(err, &inUse) || inUse.Remedy() == "" {
		t.Fatalf("got %v", err)
	}
	inUse.Users = []string{"iptables-nft: -A INPUT -m set --match-set voip_bl src -j DROP"}
	want := "set voip_bl is in use (references: 2) and is a hash:ip of IPv4, not the hash:net of IPv4 that is needed\n    by iptables-nft: -A INPUT -m set --match-set voip_bl src -j DROP"
	if err.Error() != want {
		t.Errorf("got %q", err)
	}
}

func TestCountsSurvive(t *testing.T) {
	live := liveOf("192.0.2.0", "192.0.2.1", "192.0.2.8", "198.51.100.0/24")
	for _, p := range live.Prefixes {
		live.Counts = append(live.Counts, Count{p, 10, 100})
	}
	// The first two are joined, the third is removed, the last one is cut.
	p, err := NewPlan("voip_bl", cidr.IPv4, cidr.ShapeOf(setOf("192.0.2.0/31", "198.51.100.0/25"), 0), live)
	if err != nil {
		t.Fatal(err)
	}
	if want := []Count{{cidr.MustParsePrefix("192.0.2.0/31"), 20, 200}}; !slices.Equal(p.counts, want) {
		t.Errorf("got %v, want %v", p.counts, want)
	}
}

func TestSizes(t *testing.T) {
	for _, test := range []struct {
		entries           int
		hashsize, maxelem uint32
	}{
		{0, 1024, 1 << 20}, {1, 1024, 1 << 20}, {2048, 1024, 1 << 20}, {2049, 2048, 1 << 20},
		{65536, 32768, 1 << 20}, {65537, 65536, 1 << 20}, {1 << 20, 1 << 19, 1 << 20}, {1<<20 + 1, 1 << 20, 1 << 21},
	} {
		if h, m := hashsize(test.entries), maxelem(test.entries); h != test.hashsize || m != test.maxelem {
			t.Errorf("%d entries: hashsize %d, maxelem %d; want %d, %d", test.entries, h, m, test.hashsize, test.maxelem)
		}
	}
}

func TestLiveFind(t *testing.T) {
	live := liveOf("192.0.2.0/24", "192.0.2.128/25", "198.51.100.7")
	live.Counts = []Count{{cidr.MustParsePrefix("192.0.2.128/25"), 1, 2}}
	for query, want := range map[string]string{"192.0.2.1": "192.0.2.0/24", "192.0.2.200": "192.0.2.128/25", "198.51.100.7": "198.51.100.7", "198.51.100.8": "", "192.0.2.0/23": ""} {
		got, ok := live.Find(cidr.MustParsePrefix(query))
		if ok != (want != "") || ok && got.Prefix.String() != want {
			t.Errorf("%s is in %v", query, got)
		}
		if (want == "192.0.2.128/25") != (got.Packets == 1) {
			t.Errorf("%s: counts %v", query, got)
		}
	}
	if n := live.Within(cidr.MustParsePrefix("192.0.0.0/16")); n != 2 {
		t.Errorf("%d entries within", n)
	}
}

func TestErrorsHaveRemedies(t *testing.T) {
	for n, sentinel := range codes {
		err := &opError{Op: "add", Set: "voip_bl", Entry: "192.0.2.1", Err: &refusal{errno: n}}
		if !errors.Is(err, sentinel) {
			t.Errorf("%d is not %v", int(n), sentinel)
		}
		if err.Remedy() == "" {
			t.Errorf("%v has no remedy", sentinel)
		}
		if s := err.Error(); !strings.Contains(s, "voip_bl 192.0.2.1") || !strings.Contains(s, sentinel.Error()) {
			t.Errorf("text %q", s)
		}
	}
	if s := fromErrno(4999).Error(); !strings.Contains(s, "4999") {
		t.Errorf("unknown number: %q", s)
	}
}

// TestCompare: what is added and removed, and what of it changes what is blocked.
func TestCompare(t *testing.T) {
	for _, test := range []struct {
		name                                  string
		own, live                             []string
		kept, added, removed, lacked, strange int
	}{
		{"others", []string{"192.0.2.1", "192.0.2.2", "192.0.2.5", "192.0.2.9"}, []string{"192.0.2.1", "192.0.2.3", "192.0.2.5", "192.0.2.7"}, 2, 2, 2, 2, 2},
		{"all new", []string{"192.0.2.1", "192.0.2.9"}, nil, 0, 2, 0, 2, 0},
		{"all gone", nil, []string{"192.0.2.1", "192.0.2.9"}, 0, 0, 2, 0, 2},
		{"more after the last", []string{"192.0.2.1"}, []string{"192.0.2.1", "192.0.2.9"}, 1, 0, 1, 0, 1},
		{"a piece of an entry is gone", []string{"192.0.2.0/29", "203.0.113.1"}, []string{"192.0.2.0/30", "192.0.2.4/31", "203.0.113.1"}, 1, 1, 2, 1, 0},
		{"its first piece is gone", []string{"192.0.2.0/29", "203.0.113.1"}, []string{"192.0.2.2/31", "192.0.2.4/30", "203.0.113.1"}, 1, 1, 2, 1, 0},
		{"the neighbour is there, too", []string{"192.0.2.1", "192.0.2.2", "192.0.2.5"}, []string{"192.0.2.0/30", "192.0.2.5"}, 1, 2, 1, 0, 1},
		{"one that begins like ours is wider", []string{"192.0.2.0", "192.0.2.5"}, []string{"192.0.2.0/31", "192.0.2.5"}, 1, 1, 1, 0, 1},
	} {
		live := []cidr.Prefix{}
		for _, text := range test.live {
			live = append(live, cidr.MustParsePrefix(text))
		}
		var p Plan
		p.compare(setOf(test.own...), live)
		if p.Kept != test.kept || p.Added != test.added || p.Removed != test.removed || p.Lacked != test.lacked || p.Strange != test.strange {
			t.Errorf("%s: kept %d, added %d, removed %d; lacked %d, strange %d", test.name, p.Kept, p.Added, p.Removed, p.Lacked, p.Strange)
		}
	}
}

// TestCarryCounts: counts go to the entry that covers the old one; counts of removed
// entries are dropped.
func TestCarryCounts(t *testing.T) {
	var counts []Count
	for i, text := range []string{"192.0.2.0/32", "192.0.2.1/32", "198.51.100.1/32", "203.0.113.4/32", "203.0.113.5/32", "203.0.113.9/32"} {
		counts = append(counts, Count{Prefix: cidr.MustParsePrefix(text), Packets: 1 << i, Bytes: 100 << i})
	}
	got := carryCounts(cidr.ShapeOf(setOf("192.0.2.0/31", "203.0.113.4/31", "203.0.113.9"), 0), counts)
	want := []Count{{cidr.MustParsePrefix("192.0.2.0/31"), 3, 300}, {cidr.MustParsePrefix("203.0.113.4/31"), 24, 2400}, {cidr.MustParsePrefix("203.0.113.9"), 32, 3200}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}

// TestLooksLikeList: a set that lacks any property of voipbl's lists does not look like one.
func TestLooksLikeList(t *testing.T) {
	good := Header{Type: TypeHashNet, Counters: true, Maxelem: maxelemDefault}
	if !LooksLikeList(good) {
		t.Error("ours does not")
	}
	larger := good
	if larger.Maxelem *= 2; !LooksLikeList(larger) {
		t.Error("a larger one of ours does not")
	}
	for what, change := range map[string]func(*Header){
		"type": func(h *Header) { h.Type = "hash:ip" }, "counters": func(h *Header) { h.Counters = false }, "timeout": func(h *Header) { h.Timeout = true },
		"comment": func(h *Header) { h.Comment = true }, "forceadd": func(h *Header) { h.Forceadd = true }, "skbinfo": func(h *Header) { h.Skbinfo = true },
		"smaller": func(h *Header) { h.Maxelem /= 2 }, "no power of two": func(h *Header) { h.Maxelem++ },
	} {
		h := good
		if change(&h); LooksLikeList(h) {
			t.Errorf("%s: it does all the same", what)
		}
	}
}
