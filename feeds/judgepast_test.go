package feeds

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/fetch"
)

// aList is a list that was read.
type aList struct {
	tally cidr.Tally
	sets  cidr.Sets
}

func listOf(t testing.TB, lines ...string) aList {
	t.Helper()
	var b cidr.Builder
	tally, err := cidr.Read(strings.NewReader(strings.Join(lines, "\n")), cidr.Policy{Widest: [2]uint8{8, 19}}, &b)
	if err != nil {
		t.Fatal(err)
	}
	return aList{tally, b.Sets()}
}

func (l aList) extent() fetch.Extent { return extentOf(effective(l.tally, l.sets), l.sets) }

func (l aList) compare(with cidr.Sets) (t turnover) {
	for p := range allOf(l.sets) {
		t.entries++
		if with.Contains(p) {
			t.still++
		}
	}
	return t
}

// singles are n single addresses of 11.0.0.0/8, none beside another, from number first on.
func singles(first, n int) []string {
	lines := make([]string, n)
	for i := range lines {
		k := 3*(first+i) + 1
		lines[i] = fmt.Sprintf("11.%d.%d.%d", k>>16&255, k>>8&255, k&255)
	}
	return lines
}

// networks are n networks /24, none beside another.
func networks(n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf("20.%d.%d.0/24", i>>7, i<<1&255)
	}
	return lines
}

var pastNow = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// judged returns the verdict on a list that follows others, fetched 4 hours apart and all
// believed. The first of them was put aside.
func judged(t testing.TB, l aList, before ...aList) verdict {
	t.Helper()
	p := pastOf("x", before[0].extent(), pastNow)
	now := pastNow
	for i, b := range before[1:] {
		now = now.Add(4 * time.Hour)
		v, gone := judgeByPast(aged(p, now), before[0].compare, b.tally, b.sets)
		if v.reason != "" {
			t.Errorf("step %d is held: %q (%s)", i+1, v.reason, v.why)
		}
		p = addedTo(p, b.extent(), gone, now)
	}
	v, _ := judgeByPast(aged(p, now.Add(4*time.Hour)), before[0].compare, l.tally, l.sets)
	return v
}

func TestJudgeByPast(t *testing.T) {
	eight := func(n int) (lines []string) {
		for i := range n {
			lines = append(lines, fmt.Sprintf("%d.0.0.0/8", 20+i))
		}
		return lines
	}
	join := func(all ...[]string) (lines []string) {
		for _, a := range all {
			lines = append(lines, a...)
		}
		return lines
	}
	var many []string // a million single addresses
	for i := range 1_000_000 {
		many = append(many, fmt.Sprintf("%d.%d.%d.%d", 20+i>>19, i>>11&255, i>>3&255, i<<5&255|1))
	}
	resolvers := []string{"8.8.8.8", "8.8.4.4", "1.1.1.1", "9.9.9.9"}
	for _, test := range []struct {
		name   string
		before [][]string
		now    []string
		want   fetch.Reason
		why    string
	}{
		{"the same", [][]string{singles(0, 500)}, singles(0, 500), "", ""},
		{"a little more and less", [][]string{singles(0, 500)}, singles(20, 520), "", ""},
		{"half", [][]string{singles(0, 100)}, singles(0, 50), "", ""},
		{"below half", [][]string{singles(0, 100)}, singles(0, 49), ReasonShrank, "49 entries, less than half of the 100 before"},
		{"the real drop of VoIPBL", [][]string{singles(0, 71_642)}, singles(0, 29_791), ReasonShrank, "29791 entries"},
		{"as few others as make a turnover", [][]string{singles(0, turnedEntries)}, singles(1000, turnedEntries), ReasonTurned, ""},
		{"one address many times", [][]string{singles(0, 100)}, join(singles(0, 1), singles(0, 1), singles(0, 1)), ReasonShrank, "1 entries"},
		{"the same, unsaid by a wide one", [][]string{singles(0, 100)}, join(singles(0, 1), strings.Split(eights(100), "\n"), []string{"11.0.0.0/19"}), ReasonWidened, "1 block wider than a /28"},
		{"step by step", [][]string{singles(0, 70_000), singles(0, 38_500)}, singles(0, 21_200), ReasonShrank, "21200 entries, less than half of the 69"},
		{"12 networks of the early days", [][]string{singles(0, 70_000)}, join(eight(12), resolvers), ReasonWidened, "wider than a /28, far wider than before, cover 4.7% of IPv4 space"},
		{"the same beside the old ones", [][]string{singles(0, 70_000)}, join(singles(0, 70_000), eight(12), resolvers), ReasonWidened, "4.7%"},
		{"one of them", [][]string{singles(0, 70_000)}, join(singles(0, 70_000), eight(1)), ReasonWidened, "1 block wider than a /28"},
		{"a /17 in a short list", [][]string{singles(0, 3)}, join(singles(0, 3), []string{"20.0.0.0/17"}), ReasonWidened, ""},
		{"a /19 among networks that cover much more", [][]string{networks(600)}, join(networks(600), []string{"30.0.0.0/19"}), "", ""},
		{"a /19 among networks that do not", [][]string{networks(300)}, join(networks(300), []string{"30.0.0.0/19"}), ReasonWidened, ""},
		{"a /24 in a short list", [][]string{singles(0, 3)}, join(singles(0, 3), []string{"20.0.0.0/24"}), "", ""},
		{"a list of /16 brings another", [][]string{{"20.0.0.0/16", "22.0.0.0/16"}}, []string{"20.0.0.0/16", "22.0.0.0/16", "24.0.0.0/15"}, "", ""},
		{"a million", [][]string{singles(0, 1100)}, many, ReasonGrew, "1000000 entries, more than 5 times the 1100 before"},
		{"a short list grows", [][]string{singles(0, 3)}, singles(0, 9000), "", ""},
		{"by steps", [][]string{singles(0, 3000), singles(0, 12_000)}, singles(0, 48_000), ReasonGrew, "more than 5 times the 30"},
		{"coverage alone", [][]string{join(singles(0, 500), []string{"20.0.0.0/16"})}, join(singles(0, 500), []string{"20.0.0.0/13", "30.0.0.0/13"}), ReasonGrew, "it covers 0.024% of IPv4 space, more than 5 times the 0.0015% before"},
		{"turned over", [][]string{singles(0, 500)}, singles(252, 500), ReasonTurned, "50% of the entries of before are still in it, less than 50%"},
		{"half of it is still there", [][]string{singles(0, 500)}, singles(250, 500), "", ""},
		{"hidden under a wide one", [][]string{singles(0, 500)}, join(singles(100_000, 500), []string{"11.0.0.0/21"}), ReasonTurned, ""},
		{"a short list turns over", [][]string{singles(0, 99)}, singles(500, 99), "", ""},
		{"turned over by steps", [][]string{singles(0, 500), singles(245, 500)}, singles(490, 500), ReasonTurned, "2% of the entries of before"},
		{"turned over by small steps", [][]string{singles(0, 500), singles(100, 500), singles(200, 500)}, singles(300, 500), ReasonTurned, "40% of"},
		{"wider by steps", [][]string{singles(0, 70_000), join(singles(0, 70_000), []string{"20.0.0.0/28"}), join(singles(0, 70_000), []string{"20.0.0.0/24"}),
			join(singles(0, 70_000), []string{"20.0.0.0/20"})}, join(singles(0, 70_000), []string{"20.0.0.0/16"}), ReasonWidened, "1 block wider than a /28"},
		{"IPv6 wider by steps", [][]string{singles(0, 500), join(singles(0, 500), []string{"2a00:1::/60"}), join(singles(0, 500), []string{"2a00:1::/56"}),
			join(singles(0, 500), []string{"2a00:1::/52", "2a00:2::/48"}), join(singles(0, 500), []string{"2a00:1::/44"}),
			join(singles(0, 500), []string{"2a00:1::/40"}), join(singles(0, 500), []string{"2a00:1::/36"})}, join(singles(0, 500), []string{"2a00:1::/32"}), ReasonWidened, "wider than a /60"},
		{"IPv6 joins", [][]string{singles(0, 500)}, join(singles(0, 500), []string{"2a00:1::1", "2a00:2::/64", "2a00:3::/48"}), "", ""},
		{"a provider of IPv6 joins", [][]string{singles(0, 500)}, join(singles(0, 500), []string{"2a00:1::/32"}), ReasonWidened, "1 block wider than a /60"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var before []aList
			for _, lines := range test.before {
				before = append(before, listOf(t, lines...))
			}
			v := judged(t, listOf(t, test.now...), before...)
			if v.reason != test.want || !strings.Contains(v.why, test.why) {
				t.Errorf("got %q (%s), want %q (%s)", v.reason, v.why, test.want, test.why)
			}
			if v.reason != "" && (!HeldBack(v.reason) || remedyFor(v.reason) == "") {
				t.Errorf("%q is not held back, or has no remedy", v.reason)
			}
		})
	}
}

// TestPastFades: a list that changes slowly is never held back.
func TestPastFades(t *testing.T) {
	for _, test := range []struct {
		name  string
		every time.Duration
		step  float64
		want  fetch.Reason
	}{
		{"a tenth less a week", 7 * 24 * time.Hour, 0.9, ""},
		{"a tenth more a week", 7 * 24 * time.Hour, 1.1, ""},
		{"a tenth less a fetch", 4 * time.Hour, 0.9, ReasonShrank},
		{"a tenth more a fetch", 4 * time.Hour, 1.1, ReasonGrew},
	} {
		n := 100_000.0
		is := func() fetch.Extent { return fetch.Extent{Entries: n} }
		p, now := pastOf("x", is(), pastNow), pastNow
		var got fetch.Reason
		for range 50 {
			now, n = now.Add(test.every), n*test.step
			a := aged(p, now)
			if v := judgeGrowth(a, is()); v.reason != "" {
				got = v.reason
			}
			if n*mostShrink < a.Most.Entries {
				got = ReasonShrank
			}
			p = addedTo(p, is(), 0, now)
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	// Nor does it when the clock is set back, or far forward.
	p := addedTo(pastOf("x", fetch.Extent{Entries: 9}, pastNow), fetch.Extent{Entries: 6}, 0, pastNow)
	if got := aged(p, pastNow.AddDate(-20, 0, 0)); got != p {
		t.Errorf("20 years back: %+v", got)
	}
	p.Turned = 1
	if got := aged(p, pastNow.Add(2*pastHalves)).Turned; got != 0.25 {
		t.Errorf("after two halves %v is usual to be gone", got)
	}
	got := aged(p, pastNow.AddDate(100, 0, 0))
	if got.Most.Entries != 6 || got.Least.Entries != 6 || got.Turned > 1e-9 {
		t.Errorf("100 years on: %+v", got)
	}
}

// TestTurnoverIsLearnt: the usual turnover is learnt only from a list that was held back and
// then believed. The turnover of an accepted list never allows the next one more.
func TestTurnoverIsLearnt(t *testing.T) {
	e := fetch.Extent{Entries: 1000}
	after := func(p fetch.Past, every time.Duration, gone ...float64) float64 {
		now := p.At
		for _, g := range gone {
			now = now.Add(every)
			p = addedTo(p, e, g, now)
		}
		return p.Turned
	}
	stable, restless := pastOf("x", e, pastNow), pastOf("x", e, pastNow)
	restless.Turned = 0.9
	if got := after(stable, time.Hour, 0.5, 0.5, 0.4); got != 0 {
		t.Errorf("half of it is gone, and half of the rest: %v is usual", got)
	}
	if got := after(restless, 7*24*time.Hour, 0.9, 0.8, 0.9, 0.9, 0.9, 0.9); got < 0.9 {
		t.Errorf("a list that goes on as it was believed: %v is usual", got)
	}
	for was, gone := range map[float64]float64{turnsOver: 0.9, 0.3: mostTurned} {
		restless.Turned = was
		if got := after(restless, 0, gone); got != was {
			t.Errorf("%v was usual, %v is gone, and %v is usual", was, gone, got)
		}
	}
	restless.Turned = 0.9
	if got := after(restless, 7*24*time.Hour, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.6); got > 0.25 {
		t.Errorf("a list that has not turned over for two months: %v is usual", got)
	}
}

// TestJudgeByRest: the copy of a list is lost, and all that was remembered of it.
func TestJudgeByRest(t *testing.T) {
	for _, test := range []struct {
		name    string
		rest    turnover
		entries int
		want    fetch.Reason
	}{
		{"nothing stays", turnover{}, 3, ""},
		{"the same again", turnover{70_000, 70_000}, 70_000, ""},
		{"three entries", turnover{70_000, 3}, 3, ReasonShrank},
		{"three others", turnover{100, 0}, 3, ReasonShrank},
		{"others as many", turnover{70_000, 0}, 70_000, ReasonTurned},
		{"a short list, others as many", turnover{20, 0}, 20, ""},
		{"half of it stays", turnover{1000, 500}, 400, ""},
		{"half as many others", turnover{100, 0}, 50, ReasonTurned},
		{"as few as make a turnover", turnover{turnedEntries, 0}, turnedEntries, ReasonTurned},
		{"one less than makes a turnover", turnover{turnedEntries - 1, 0}, turnedEntries, ""},
		{"much more", turnover{1000, 1000}, 1_000_000, ""},
		{"what is exempt has cut up its only block", turnover{24, 24}, 1, ""},
	} {
		if v := judgeByRest(test.rest, test.entries); v.reason != test.want {
			t.Errorf("%s: %q (%s), want %q", test.name, v.reason, v.why, test.want)
		}
	}
}

// TestShortIsBetterThanNone: without a last good copy nothing would be in force instead.
func TestShortIsBetterThanNone(t *testing.T) {
	was, is := listOf(t, singles(0, 100)...), listOf(t, singles(0, 10)...)
	p := pastOf("x", was.extent(), pastNow)
	for _, test := range []struct {
		last turnover
		want fetch.Reason
	}{{turnover{100, 10}, ReasonShrank}, {turnover{}, ""}} {
		if v, _ := judgeByPast(p, func(cidr.Sets) turnover { return test.last }, is.tally, is.sets); v.reason != test.want {
			t.Errorf("%+v: %q, want %q", test.last, v.reason, test.want)
		}
	}
}

// TestExtent measures each family in its own space.
func TestExtent(t *testing.T) {
	got := listOf(t, "11.0.0.0/24", "12.0.0.1", "2400::/19", "2600::/32").extent()
	want := fetch.Extent{Entries: got.Entries, Coverage: [2]float64{1.0/(1<<24) + 1.0/(1<<32), 1.0/(1<<16) + 1.0/(1<<29)}, Widest: [2]float64{1.0 / (1 << 24), 1.0 / (1 << 16)}}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestLimitsOfGrowth: a value equal to a limit is within it, and a little growth is ignored.
func TestLimitsOfGrowth(t *testing.T) {
	four := func(share float64) [2]float64 { return [2]float64{share, 0} }
	const small = 1.0 / (1 << 16)
	for _, test := range []struct {
		name    string
		was, is fetch.Extent
		want    fetch.Reason
	}{
		{"as many times as may be", fetch.Extent{Entries: 1e6}, fetch.Extent{Entries: 1e6 * mostGrowth}, ""},
		{"one more", fetch.Extent{Entries: 1e6}, fetch.Extent{Entries: 1e6*mostGrowth + 1}, ReasonGrew},
		{"many times a little", fetch.Extent{Entries: 0.1 * smallEntries}, fetch.Extent{Entries: 0.95 * smallEntries}, ""},
		{"a little at once", fetch.Extent{}, fetch.Extent{Entries: smallEntries}, ""},
		{"a little and one", fetch.Extent{}, fetch.Extent{Entries: smallEntries + 1}, ReasonGrew},
		{"as much coverage as may be", fetch.Extent{Coverage: four(1.0 / 64)}, fetch.Extent{Coverage: four(1.0 / 64 * mostGrowth)}, ""},
		{"more", fetch.Extent{Coverage: four(1.0 / 64)}, fetch.Extent{Coverage: four(1.0/64*mostGrowth + small)}, ReasonGrew},
		{"many times a little coverage", fetch.Extent{Coverage: four(0.1 * small)}, fetch.Extent{Coverage: four(0.95 * small)}, ""},
		{"a little coverage at once", fetch.Extent{}, fetch.Extent{Coverage: four(small)}, ""},
		{"twice that", fetch.Extent{}, fetch.Extent{Coverage: four(2 * small)}, ReasonGrew},
	} {
		if v := judgeGrowth(fetch.Past{Least: test.was}, test.is); v.reason != test.want {
			t.Errorf("%s: %q (%s), want %q", test.name, v.reason, v.why, test.want)
		}
	}
	// A far wider block: exactly the share that counts, and just less.
	is, usual := listOf(t, "11.0.0.0/16"), listOf(t)
	for most, want := range map[float64]fetch.Reason{wideShare * small: ReasonWidened, (wideShare + 1) * small: ""} {
		if v := judgeWidth(fetch.Past{Most: fetch.Extent{Coverage: four(most)}}, is.sets, usual.sets, [2]int{24, 64}); v.reason != want {
			t.Errorf("a /16 of %v: %q (%s), want %q", most, v.reason, v.why, want)
		}
	}
	if got, want := turnedWords(0.9, 0.25), "10% of the entries of before are still in it, less than 25%"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestAgree(t *testing.T) {
	v := verdict{reason: ReasonShrank, why: "x"}
	is := fetch.Extent{Entries: 400, Coverage: [2]float64{0.01, 0.002}}
	held := func(change func(*fetch.Held)) *fetch.Held {
		h := &fetch.Held{Since: pastNow, Reason: "shrank", Entries: 400, Coverage: is.Coverage, Content: "a", Agreed: 2}
		change(h)
		return h
	}
	for _, test := range []struct {
		name   string
		before *fetch.Held
		agreed int // 0: believed
	}{
		{"the first time", nil, 1},
		{"the second time", held(func(h *fetch.Held) { h.Agreed = 1 }), 2},
		{"the third time", held(func(*fetch.Held) {}), 0},
		{"about as many", held(func(h *fetch.Held) { h.Entries = 440 }), 0},
		{"others as many", held(func(h *fetch.Held) { h.Entries = 450 }), 1},
		{"another reason", held(func(h *fetch.Held) { h.Reason = "grew" }), 1},
		{"about the same coverage", held(func(h *fetch.Held) { h.Coverage[0] = 0.0105 }), 0},
		{"another coverage", held(func(h *fetch.Held) { h.Coverage[0] = 0.02 }), 1},
		{"another coverage of IPv6", held(func(h *fetch.Held) { h.Coverage[1] = 0.01 }), 1},
		{"the same list for another reason", held(func(h *fetch.Held) { h.Reason, h.Content = "grew", "b" }), 0},
		{"what an older version wrote", held(func(h *fetch.Held) { h.Coverage, h.Content = [2]float64{}, "" }), 1},
	} {
		got, now := agree(test.before, v, is, "b", pastNow.Add(time.Hour))
		if test.agreed == 0 {
			if got.reason != "" || now != nil {
				t.Errorf("%s: %+v, %+v", test.name, got, now)
			}
			continue
		}
		if got.reason != ReasonShrank || now == nil || now.Agreed != test.agreed || (now.Agreed > 1) != now.Since.Equal(pastNow) {
			t.Errorf("%s: %+v, %+v", test.name, got, now)
		}
	}
}

func drawPrefixes(t *rapid.T, label string) []cidr.Prefix {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) cidr.Prefix {
		a := netip.AddrFrom4([4]byte{11, 0, rapid.Byte().Draw(t, "c"), rapid.Byte().Draw(t, "d")})
		return cidr.FromNetip(netip.PrefixFrom(a, rapid.IntRange(14, 32).Draw(t, "bits")))
	}), 0, 60).Draw(t, label)
}

// textOf is a list of prefixes.
func textOf(ps []cidr.Prefix) (lines []string) {
	for _, p := range ps {
		lines = append(lines, p.String())
	}
	return lines
}

func TestJudgeByPastLaws(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		before, now := drawPrefixes(rt, "before"), drawPrefixes(rt, "now")
		if len(before) == 0 {
			return
		}
		was, is := listOf(t, textOf(before)...), listOf(t, textOf(now)...)
		v := judged(t, is, was)

		if same := judged(t, was, was); same.reason != "" {
			rt.Errorf("the same list again: %+v", same)
		}
		// Adding blocks never makes a list acceptable that is too wide or too large.
		more := listOf(t, append(textOf(now), textOf(drawPrefixes(rt, "more"))...)...)
		if w := judged(t, more, was); (v.reason == ReasonWidened || v.reason == ReasonGrew) && w.reason != ReasonWidened && w.reason != ReasonGrew {
			rt.Errorf("%+v, and with more blocks %+v", v, w)
		}
		// Adding a far wider block never makes a list acceptable.
		wide := listOf(t, append(textOf(now), "12.0.0.0/8")...)
		if w := judged(t, wide, was); v.reason != "" && w.reason == "" {
			rt.Errorf("%+v, and with a /8 %+v", v, w)
		}
		// Removing entries never makes a list acceptable that shrank.
		if len(now) > 0 && v.reason == ReasonShrank {
			fewer := listOf(t, textOf(now[1:])...)
			if w := judged(t, fewer, was); w.reason == "" {
				rt.Errorf("%+v, and with one less %+v", v, w)
			}
		}
	})
}

func TestContentOf(t *testing.T) {
	a := contentOf(listOf(t, "# of Monday", "11.0.0.1", "11.0.0.3").sets)
	if b := contentOf(listOf(t, "# of Tuesday", "11.0.0.3", "11.0.0.1/32 # x").sets); a != b {
		t.Errorf("the same entries: %s, %s", a, b)
	}
	if b := contentOf(listOf(t, "11.0.0.1", "11.0.0.4").sets); a == b {
		t.Errorf("other entries: %s", b)
	}
}
