package fleet

import (
	"cmp"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/voipbl/voipbl/fleet/link"
)

// model is a list of all statements, which is judged from scratch each time.
type model struct {
	said         []modelStatement
	latest, lost time.Duration
}

type modelStatement struct {
	host      Name
	addr      netip.Addr
	made, end time.Duration
	why       string
	proved    bool
	kept      bool // its host's message had no room for it any more
}

func newModelStatement(n Name, s Said, at time.Duration) modelStatement {
	m := modelStatement{n, s.Addr, at - s.Age, at + s.Left, s.Why, s.Proved, false}
	if s.Left < 0 {
		m.end = never
	}
	return m
}

func (m *model) find(n Name, a netip.Addr) int {
	return slices.IndexFunc(m.said, func(s modelStatement) bool { return s.host == n && s.addr == a })
}

func (m *model) take(n Name, slot int, said []Said, whole, at time.Duration) {
	backup := at <= m.lost
	var after []modelStatement
	for _, s := range said {
		now := newModelStatement(n, s, at)
		if i := m.find(n, s.Addr); i >= 0 {
			old := m.said[i]
			near := (old.made-now.made).Abs() < jitter && (old.end == now.end || (old.end-now.end).Abs() < jitter)
			if near && old.why == now.why && old.proved == now.proved && !old.kept || backup && old.end >= now.end {
				now = old
			}
		}
		after = append(after, now)
	}
	for _, old := range m.said {
		kept := old.host != n || SlotOf(old.addr) != slot
		if !kept && !slices.ContainsFunc(said, func(s Said) bool { return s.Addr == old.addr }) {
			kept = backup
			if !backup && whole > 0 && old.made <= at-whole+jitter && old.end > at {
				kept, old.kept = true, true
			}
		}
		if kept {
			after = append(after, old)
		}
	}
	m.said, m.latest = after, max(m.latest, at)
}

func (m *model) carry(by []Name, s Said, now time.Duration) {
	for _, n := range by {
		if m.find(n, s.Addr) < 0 {
			m.said = append(m.said, newModelStatement(n, s, now))
		}
	}
}

// counting returns the statements that count by the rules for each alone, with the end that counts. What
// is over takes no place of another.
func (m *model) counting(p Policy, now time.Duration) (out []modelStatement) {
	type group struct {
		host Name
		kept bool
	}
	groups := map[group][]modelStatement{}
	for _, s := range m.said {
		s.end = min(s.end, s.made+p.Longest)
		if s.end > now && (s.proved || !p.Proved) {
			g := group{s.host, s.kept}
			groups[g] = append(groups[g], s)
		}
	}
	for g, all := range groups {
		slices.SortFunc(all, func(a, b modelStatement) int { return cmp.Or(cmp.Compare(b.made, a.made), a.addr.Compare(b.addr)) })
		if !slices.Contains(p.Revoked, string(g.host)) {
			all = sharing(all)
			out = append(out, all[:min(len(all), max(p.PerHost, 0))]...)
		}
	}
	return out
}

// sharing puts those that exceed their network's share behind the others.
func sharing(all []modelStatement) []modelStatement {
	var within, beyond []modelStatement
	for _, s := range all {
		exceeds := false
		for _, l := range levels {
			bits := l.bits6
			if s.addr.Is4() {
				bits = l.bits4
			}
			network, n := netip.PrefixFrom(s.addr, bits).Masked(), 0
			for _, o := range within {
				if network.Contains(o.addr) {
					n++
				}
			}
			exceeds = exceeds || n >= l.share
		}
		if exceeds {
			beyond = append(beyond, s)
		} else {
			within = append(within, s)
		}
	}
	return append(within, beyond...)
}

// enough reports whether these statements about one address are enough at a moment.
func enough(p Policy, said []modelStatement, at time.Duration) bool {
	sites := map[string]bool{}
	another := false
	for _, s := range said {
		if s.end <= at {
			continue
		}
		other := s.host != p.Self
		if other && (slices.Contains(p.Trust, string(s.host)) || slices.Contains(p.Trust, s.host.Site())) {
			return true
		}
		sites[s.host.Site()] = true
		another = another || other
	}
	return another && p.Agree > 0 && len(sites) >= p.Agree
}

// until returns the latest moment until which statements about one address are enough.
func until(p Policy, said []modelStatement) (until time.Duration) {
	for _, s := range said {
		if enough(p, said, s.end-1) {
			until = max(until, s.end)
		}
	}
	return until
}

// check compares verdicts with what the model says counts.
func (m *model) check(t *rapid.T, p Policy, now time.Duration, got []Verdict) {
	byAddr := map[netip.Addr][]modelStatement{}
	for _, s := range m.counting(p, now) {
		byAddr[s.addr] = append(byAddr[s.addr], s)
	}
	count := 0
	for _, said := range byAddr {
		if until(p, said) > now {
			count++
		}
	}
	if len(got) != min(count, max(p.Most, 0)) {
		t.Fatalf("%d count, not %d: %v\n%+v", len(got), count, got, m.said)
	}
	for i, v := range got {
		said := byAddr[v.Addr]
		if i > 0 && !got[i-1].Addr.Less(v.Addr) {
			t.Fatalf("not by address: %v", got)
		}
		if want := until(p, said); v.Until != want {
			t.Fatalf("%s until %v, not %v: %+v", v.Addr, v.Until-noon, want-noon, said)
		}
		// Those that are named say so now, and are enough for it.
		named := slices.DeleteFunc(slices.Clone(said), func(s modelStatement) bool { return s.end <= now || !slices.Contains(v.By, s.host) })
		if len(named) != len(v.By) || len(v.By) > link.MaxBy || !slices.IsSorted(v.By) || until(p, named) != v.Until {
			t.Fatalf("%+v is by %+v of %+v", v, named, said)
		}
		made := slices.MaxFunc(named, func(a, b modelStatement) int { return cmp.Compare(a.made, b.made) }).made
		allProved := !slices.ContainsFunc(named, func(s modelStatement) bool { return !s.proved })
		why := slices.ContainsFunc(named, func(s modelStatement) bool { return s.why == v.Why && s.host != p.Self })
		if v.Made != made || v.Proved != allProved || !why || v.Until > v.Made+p.Longest {
			t.Fatalf("%+v is by %+v", v, named)
		}
	}
}

// The small world of the model: few hosts of fewer sites, and addresses in two slots.
var (
	modelHosts = []Name{"home_pbx1", "home_pbx2", "a_pbx", "a_pbx1", "ab_pbx", "b_a", "c_a"}
	modelTrust = []string{"home", "home_pbx1", "a", "a_pbx1", "b", "c_a", "nobody"}
	modelSlots = [2]int{3, 12}
	modelAddrs = func() (all []netip.Addr) {
		for _, slot := range modelSlots {
			for i := range 4 {
				all = append(all, addrIn(slot, i))
			}
			for b := byte(0); len(all)%5 != 0; b++ {
				if a := netip.AddrFrom16([16]byte{0x2a, 7: b}); SlotOf(a) == slot {
					all = append(all, a)
				}
			}
		}
		return all
	}()
)

func drawSaid(t *rapid.T, a netip.Addr) Said {
	seconds := rapid.SampledFrom([]time.Duration{0, 1, 2, 3, 59, 60, 3600, 7200, 86_400})
	s := Said{
		Addr: a, Age: seconds.Draw(t, "age") * time.Second, Left: seconds.Draw(t, "left") * time.Second,
		Why: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "why"), Proved: rapid.Bool().Draw(t, "proved"),
	}
	if rapid.IntRange(0, 4).Draw(t, "end") == 0 {
		s.Left = -1
	}
	return s
}

func drawPolicy(t *rapid.T) Policy {
	return Policy{
		Self:    "home_pbx1",
		Trust:   rapid.SliceOfNDistinct(rapid.SampledFrom(modelTrust), 0, 2, rapid.ID).Draw(t, "trust"),
		Revoked: rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"home_pbx1", "a_pbx", "b_a", "nobody_1"}), 0, 2, rapid.ID).Draw(t, "revoked"),
		Agree:   rapid.IntRange(0, 4).Draw(t, "agree"),
		Proved:  rapid.Bool().Draw(t, "proved only"),
		Longest: rapid.SampledFrom([]time.Duration{time.Minute, time.Hour, 24 * time.Hour}).Draw(t, "longest"),
		PerHost: rapid.IntRange(0, 6).Draw(t, "per host"),
		Most:    rapid.SampledFrom([]int{0, 1, 2, 3, 100}).Draw(t, "most"),
	}
}

// TestModel: whatever hosts say, in whichever order, what counts is what a list of all statements, which
// is judged from scratch, says counts. And whoever asks only for what has changed knows all that counts.
func TestModel(t *testing.T) {
	before := levels
	defer func() { levels = before }()
	levels[0].share, levels[1].share = 2, 3 // that few addresses exceed
	rapid.Check(t, func(t *rapid.T) {
		h, m := NewHeard(), &model{latest: -never, lost: -never}
		now, p := noon, drawPolicy(t)
		view := map[netip.Addr]time.Duration{}
		host := rapid.SampledFrom(modelHosts)
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				n, slot := host.Draw(t, "host"), rapid.SampledFrom(modelSlots[:]).Draw(t, "slot")
				at := now - time.Duration(rapid.IntRange(0, 3).Draw(t, "late"))*700*time.Millisecond
				var said []Said
				for _, a := range rapid.SliceOfNDistinct(rapid.SampledFrom(modelAddrs), 0, 6, rapid.ID).Draw(t, "addresses") {
					if SlotOf(a) == slot {
						said = append(said, drawSaid(t, a))
					}
				}
				whole := time.Duration(rapid.SampledFrom([]int{0, 0, 1, 60, 3600}).Draw(t, "whole")) * time.Second
				h.TakeMessage(n, slot, Message{Said: said, Whole: whole}, at)
				m.take(n, slot, said, whole, at)
			},
			"say again": func(t *rapid.T) {
				n, slot := host.Draw(t, "host"), rapid.SampledFrom(modelSlots[:]).Draw(t, "slot")
				var said []Said
				for _, s := range m.said {
					if s.host == n && SlotOf(s.addr) == slot && s.end > now {
						again := Said{s.addr, (now - s.made).Truncate(time.Second), -1, s.why, s.proved}
						if s.end != never {
							again.Left = (s.end - now).Truncate(time.Second) + time.Second
						}
						said = append(said, again)
					}
				}
				h.Take(n, slot, said, now)
				m.take(n, slot, said, 0, now)
			},
			"carry": func(t *rapid.T) {
				by := rapid.SliceOfNDistinct(host, 0, 3, rapid.ID).Draw(t, "by")
				s := drawSaid(t, rapid.SampledFrom(modelAddrs).Draw(t, "address"))
				h.Carry(by, s, now)
				m.carry(by, s, now)
			},
			"new stream": func(*rapid.T) {
				h.NewStream()
				m.lost = m.latest
			},
			"time passes": func(t *rapid.T) {
				now += time.Duration(rapid.IntRange(1, 4000).Draw(t, "ms")) * time.Millisecond
			},
			"an hour passes": func(*rapid.T) { now += time.Hour },
			"another policy": func(t *rapid.T) {
				p = drawPolicy(t)
				clear(view)
				for _, v := range h.Believed(with(func(q *Policy) { *q = p; q.Most = 100 }), now) {
					view[v.Addr] = v.Until
				}
			},
			"": func(t *rapid.T) {
				unlimited := p
				unlimited.Most = 100
				if changed, all := h.Changed(now); all {
					clear(view)
					for _, v := range h.Believed(unlimited, now) {
						view[v.Addr] = v.Until
					}
				} else {
					for _, a := range changed {
						delete(view, a)
						if v, counts := h.Judge(unlimited, a, now); counts {
							view[a] = v.Until
						}
					}
				}
				for a, until := range view {
					if until <= now {
						delete(view, a)
					}
				}
				var single []Verdict
				for _, a := range modelAddrs {
					v, counts := h.Judge(unlimited, a, now)
					if counts {
						single = append(single, v)
					}
					if view[a] != v.Until {
						t.Fatalf("what has changed was not named: %s until %v, not %v", a, view[a]-noon, v.Until-noon)
					}
				}
				slices.SortFunc(single, func(a, b Verdict) int { return a.Addr.Compare(b.Addr) })
				m.check(t, unlimited, now, single)

				// Judging all at once says the same; but in between, it would hide what Changed forgets.
				if rapid.IntRange(0, 3).Draw(t, "as a whole") > 0 {
					return
				}
				m.check(t, p, now, h.Believed(p, now))
				if all := h.Believed(unlimited, now); !slices.EqualFunc(all, single, sameVerdict) {
					t.Fatalf("all: %v, one by one: %v", all, single)
				}
				m.checkMost(t, h, p, now)
				again := NewHeard()
				for _, v := range single {
					again.Carry(v.By, Said{v.Addr, now - v.Made, v.Until - now, v.Why, v.Proved}, now)
				}
				unlimited.PerHost = 100
				for _, v := range again.Believed(unlimited, now) {
					i := slices.IndexFunc(single, func(o Verdict) bool { return o.Addr == v.Addr })
					if i < 0 || v.Until != single[i].Until || v.Made != single[i].Made || !slices.Equal(v.By, single[i].By) {
						t.Fatalf("carried: %+v of %+v", v, single)
					}
				}
				if n := len(again.Believed(unlimited, now)); n != len(single) {
					t.Fatalf("carried: %d of %d", n, len(single))
				}
			},
		})
	})
}

// checkMost checks that those that count are the newest of all that would without the limit.
func (m *model) checkMost(t *rapid.T, h *Heard, p Policy, now time.Duration) {
	unlimited := p
	unlimited.Most = 100
	all := h.Believed(unlimited, now)
	slices.SortStableFunc(all, func(a, b Verdict) int { return cmp.Compare(b.Made, a.Made) })
	all = all[:min(len(all), p.Most)]
	for _, v := range h.Believed(p, now) {
		if !slices.ContainsFunc(all, func(o Verdict) bool { return sameVerdict(o, v) }) {
			t.Fatalf("%+v is not one of the newest: %+v", v, all)
		}
	}
}
