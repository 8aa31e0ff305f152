package fleet

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/fleet/link"
)

// noon is a time.
const noon = 500_000 * time.Hour

// attacker is the address that most tests are about.
var attacker = netip.MustParseAddr("45.1.2.3")

// policy is the default one.
const self Name = "home_pbx1"

var policy = Policy{Self: self, Agree: 2, Longest: 24 * time.Hour, PerHost: 500, Most: 20_000}

func with(change func(p *Policy)) Policy {
	p := policy
	change(&p)
	return p
}

// left returns a ban of the attacker that was made just now.
func left(d time.Duration) Said { return Said{Addr: attacker, Left: d, Why: "fail2ban asterisk"} }

func proved(s Said) Said {
	s.Proved = true
	return s
}

func aged(age time.Duration, s Said) Said {
	s.Age = age
	return s
}

// says is what a host says about the attacker at noon.
type says struct {
	name Name
	said Said
}

func heard(all ...says) *Heard {
	h := NewHeard()
	for _, s := range all {
		h.Take(s.name, SlotOf(s.said.Addr), []Said{s.said}, noon)
	}
	return h
}

// TestPolicy: each rule, for one address.
func TestPolicy(t *testing.T) {
	const no = -1
	hour, never := left(time.Hour), left(-1)
	for _, row := range []struct {
		rule   string
		policy Policy
		says   []says
		until  time.Duration // after noon; no: it does not count
		by     string
	}{
		{"nobody", policy, nil, no, ""},
		{"one site", policy, []says{{"acme_pbx1", hour}}, no, ""},
		{"one site, two hosts", policy, []says{{"acme_pbx1", hour}, {"acme_pbx2", hour}}, no, ""},
		{"two sites", policy, []says{{"acme_pbx1", hour}, {"zeta_pbx1", hour}}, time.Hour, "acme_pbx1 zeta_pbx1"},
		{"two sites of like names", policy, []says{{"acme_pbx1", hour}, {"acme1_pbx1", hour}, {"acme-1_pbx1", hour}}, time.Hour, "acme-1_pbx1 acme1_pbx1 acme_pbx1"},
		{"three must agree", with(func(p *Policy) { p.Agree = 3 }), []says{{"acme_pbx1", hour}, {"zeta_pbx1", hour}, {"zeta_pbx2", hour}}, no, ""},
		{"three do", with(func(p *Policy) { p.Agree = 3 }), []says{{"acme_pbx1", hour}, {"zeta_pbx1", hour}, {"beta_pbx2", hour}}, time.Hour, "acme_pbx1 beta_pbx2 zeta_pbx1"},
		{"more than there are sites", with(func(p *Policy) { p.Agree = 5 }), []says{{"acme_pbx1", hour}, {"zeta_pbx1", hour}}, no, ""},
		{"one is enough", with(func(p *Policy) { p.Agree = 1 }), []says{{"acme_pbx1", hour}}, time.Hour, "acme_pbx1"},
		{"no number is enough", with(func(p *Policy) { p.Agree = 0 }), []says{{"acme_pbx1", hour}, {"zeta_pbx1", hour}}, no, ""},
		{"no number is enough, but trust", with(func(p *Policy) { p.Agree, p.Trust = -1, []string{"acme"} }), []says{{"acme_pbx1", hour}}, time.Hour, "acme_pbx1"},

		{"an agreement ends with the first of two", policy, []says{{"acme_pbx1", left(time.Minute)}, {"zeta_pbx1", hour}}, time.Minute, "acme_pbx1 zeta_pbx1"},
		{"with the second of three", policy, []says{{"acme_pbx1", left(time.Minute)}, {"zeta_pbx1", hour}, {"beta_pbx1", left(2 * time.Hour)}}, time.Hour, "acme_pbx1 beta_pbx1 zeta_pbx1"},
		{"a site's longest counts", policy, []says{{"acme_pbx1", left(time.Minute)}, {"acme_pbx2", left(2 * time.Hour)}, {"zeta_pbx1", hour}}, time.Hour, "acme_pbx1 acme_pbx2 zeta_pbx1"},
		{"and is one site", policy, []says{{"acme_pbx1", left(3 * time.Hour)}, {"acme_pbx2", left(2 * time.Hour)}, {"zeta_pbx1", hour}}, time.Hour, "acme_pbx1 acme_pbx2 zeta_pbx1"},
		{"of three sites that must agree", with(func(p *Policy) { p.Agree = 3 }), []says{{"acme_pbx1", left(3 * time.Hour)}, {"beta_pbx2", left(2 * time.Hour)}, {"zeta_pbx1", hour}, {"eta_pbx1", left(time.Minute)}}, time.Hour, "acme_pbx1 beta_pbx2 eta_pbx1 zeta_pbx1"},

		{"a trusted site", with(func(p *Policy) { p.Trust = []string{"hq", "acme"} }), []says{{"acme_pbx1", hour}}, time.Hour, "acme_pbx1"},
		{"a trusted host", with(func(p *Policy) { p.Trust = []string{"acme_pbx1"} }), []says{{"acme_pbx1", hour}}, time.Hour, "acme_pbx1"},
		{"another host of its site", with(func(p *Policy) { p.Trust = []string{"acme_pbx1"} }), []says{{"acme_pbx2", hour}}, no, ""},
		{"a host whose name begins like it", with(func(p *Policy) { p.Trust = []string{"acme_pbx1", "acme"} }), []says{{"acme1_pbx1", hour}}, no, ""},
		{"a host that is named like a trusted site", with(func(p *Policy) { p.Trust = []string{"acme"} }), []says{{"evil_acme", hour}}, no, ""},
		{"a site that is named like a trusted host's", with(func(p *Policy) { p.Trust = []string{"hq_acme"} }), []says{{"acme_hq", hour}, {"hq_acme1", hour}}, time.Hour, "acme_hq hq_acme1"},
		{"trusted, and longer than the agreement", with(func(p *Policy) { p.Trust = []string{"acme"} }), []says{{"acme_pbx1", left(2 * time.Hour)}, {"zeta_pbx1", hour}}, 2 * time.Hour, "acme_pbx1 zeta_pbx1"},
		{"trusted, and shorter", with(func(p *Policy) { p.Trust = []string{"acme"} }), []says{{"acme_pbx1", left(time.Minute)}, {"zeta_pbx1", hour}, {"beta_pbx1", left(2 * time.Hour)}}, time.Hour, "acme_pbx1 beta_pbx1 zeta_pbx1"},
		{"the longest of two trusted", with(func(p *Policy) { p.Trust = []string{"acme", "zeta"} }), []says{{"acme_pbx1", left(2 * time.Hour)}, {"zeta_pbx1", hour}}, 2 * time.Hour, "acme_pbx1 zeta_pbx1"},

		{"this host's own word", with(func(p *Policy) { p.Agree = 1 }), []says{{"home_pbx1", hour}}, no, ""},
		{"its own word, trusted", with(func(p *Policy) { p.Trust = []string{"home_pbx1", "home"} }), []says{{"home_pbx1", hour}}, no, ""},
		{"its own word, trusted, and another's", with(func(p *Policy) { p.Trust, p.Agree = []string{"home"}, 3 }), []says{{"home_pbx1", hour}, {"zeta_pbx1", hour}}, no, ""},
		{"its own site's other host, trusted", with(func(p *Policy) { p.Trust = []string{"home"} }), []says{{"home_pbx2", hour}}, time.Hour, "home_pbx2"},
		{"its own word is one of two", policy, []says{{"home_pbx1", left(2 * time.Hour)}, {"zeta_pbx1", hour}}, time.Hour, "home_pbx1 zeta_pbx1"},
		{"its own word and one of its site", policy, []says{{"home_pbx1", hour}, {"home_pbx2", hour}}, no, ""},
		{"where one is enough, its own does not prolong", with(func(p *Policy) { p.Agree = 1 }), []says{{"home_pbx1", left(2 * time.Hour)}, {"zeta_pbx1", hour}}, time.Hour, "home_pbx1 zeta_pbx1"},

		{"no end", policy, []says{{"acme_pbx1", never}, {"zeta_pbx1", never}}, 24 * time.Hour, "acme_pbx1 zeta_pbx1"},
		{"longer than the longest", policy, []says{{"acme_pbx1", left(mostTime)}, {"zeta_pbx1", left(25 * time.Hour)}}, 24 * time.Hour, "acme_pbx1 zeta_pbx1"},
		{"the longest counts from the making", policy, []says{{"acme_pbx1", aged(20*time.Hour, never)}, {"zeta_pbx1", never}}, 4 * time.Hour, "acme_pbx1 zeta_pbx1"},
		{"what was made a year ago", policy, []says{{"acme_pbx1", aged(8760*time.Hour, never)}, {"zeta_pbx1", never}}, no, ""},
		{"made so long ago that it is over", policy, []says{{"acme_pbx1", aged(24*time.Hour, never)}, {"zeta_pbx1", never}}, no, ""},
		{"nearly so", policy, []says{{"acme_pbx1", aged(24*time.Hour-time.Second, never)}, {"zeta_pbx1", never}}, time.Second, "acme_pbx1 zeta_pbx1"},
		{"made in the future", policy, []says{{"acme_pbx1", aged(-time.Hour, never)}, {"zeta_pbx1", aged(math.MinInt64, never)}}, 24 * time.Hour, "acme_pbx1 zeta_pbx1"},
		{"the largest numbers", with(func(p *Policy) { p.Longest = math.MaxInt64 }), []says{{"acme_pbx1", aged(math.MaxInt64, left(math.MaxInt64))}, {"zeta_pbx1", aged(math.MaxInt64, left(math.MinInt64))}}, math.MaxInt64 - mostTime, "acme_pbx1 zeta_pbx1"},
		{"over", policy, []says{{"acme_pbx1", left(0)}, {"zeta_pbx1", hour}}, no, ""},
		{"no time at all", with(func(p *Policy) { p.Longest = 0 }), []says{{"acme_pbx1", hour}, {"zeta_pbx1", hour}}, no, ""},

		{"proved by one of two", with(func(p *Policy) { p.Proved = true }), []says{{"acme_pbx1", proved(hour)}, {"zeta_pbx1", hour}}, no, ""},
		{"proved by two", with(func(p *Policy) { p.Proved = true }), []says{{"acme_pbx1", proved(hour)}, {"zeta_pbx1", proved(left(time.Minute))}, {"beta_pbx1", hour}}, time.Minute, "acme_pbx1 zeta_pbx1"},
		{"trusted, but not proved", with(func(p *Policy) { p.Proved, p.Trust = true, []string{"acme"} }), []says{{"acme_pbx1", hour}}, no, ""},
		{"proof that nobody asks for", policy, []says{{"acme_pbx1", proved(hour)}, {"zeta_pbx1", hour}}, time.Hour, "acme_pbx1 zeta_pbx1"},

		{"none of a host", with(func(p *Policy) { p.PerHost = 0 }), []says{{"acme_pbx1", hour}, {"zeta_pbx1", hour}}, no, ""},
		{"one of a host", with(func(p *Policy) { p.PerHost = 1 }), []says{{"acme_pbx1", hour}, {"zeta_pbx1", hour}}, time.Hour, "acme_pbx1 zeta_pbx1"},
	} {
		h := heard(row.says...)
		v, counts := h.Judge(row.policy, attacker, noon)
		until := time.Duration(no)
		if counts {
			until = v.Until - noon
		}
		var by []string
		for _, n := range v.By {
			by = append(by, string(n))
		}
		if until != row.until || strings.Join(by, " ") != row.by {
			t.Errorf("%s: until %v by %v, want %v by %v", row.rule, until, by, row.until, row.by)
		}
		all := h.Believed(row.policy, noon)
		if counts != (len(all) == 1) || counts && !sameVerdict(all[0], v) {
			t.Errorf("%s: of all, %+v counts, alone %+v", row.rule, all, v)
		}
		if !counts {
			continue
		}
		if _, still := h.Judge(row.policy, attacker, v.Until-1); !still {
			t.Errorf("%s: it does not count until its end", row.rule)
		}
		if v, still := h.Judge(row.policy, attacker, v.Until); still {
			t.Errorf("%s: it counts after its end: %+v", row.rule, v)
		}
	}
	if got := heard().Believed(with(func(p *Policy) { p.Most, p.PerHost = -1, -1 }), noon); len(got) != 0 {
		t.Errorf("negative limits: %v", got)
	}
	if got := heard(says{"acme_pbx1", hour}, says{"zeta_pbx1", hour}).Believed(with(func(p *Policy) { p.Most = -1 }), noon); len(got) != 0 {
		t.Errorf("a negative limit: %v", got)
	}
	if v, counts := heard().Judge(policy, netip.Addr{}, noon); counts {
		t.Errorf("no address: %v", v)
	}
}

func sameVerdict(a, b Verdict) bool {
	return a.Addr == b.Addr && a.Until == b.Until && a.Made == b.Made && a.Why == b.Why && a.Proved == b.Proved && slices.Equal(a.By, b.By)
}

// TestVerdict: what is said of a ban that counts besides its end.
func TestVerdict(t *testing.T) {
	because := func(why string, s Said) Said {
		s.Why = why
		return s
	}
	for name, row := range map[string]struct {
		policy Policy
		says   []says
		want   Verdict
	}{
		"the newest making, the reason of the longest": {policy,
			[]says{{"acme_pbx1", aged(time.Hour, because("a", left(3*time.Hour)))}, {"zeta_pbx1", aged(time.Minute, because("z", left(time.Hour)))}},
			Verdict{Made: noon - time.Minute, Why: "a"}},
		"the reason of another host than this one": {policy,
			[]says{{"home_pbx1", because("h", left(3*time.Hour))}, {"zeta_pbx1", because("z", left(time.Hour))}},
			Verdict{Made: noon, Why: "z"}},
		"of the first by name": {policy,
			[]says{{"zeta_pbx1", because("z", left(time.Hour))}, {"acme_pbx1", because("a", left(time.Hour))}},
			Verdict{Made: noon, Why: "a"}},
		"proved by all": {policy,
			[]says{{"zeta_pbx1", proved(because("z", left(time.Hour)))}, {"acme_pbx1", proved(because("a", left(time.Hour)))}},
			Verdict{Made: noon, Why: "a", Proved: true}},
		"proved by one": {policy,
			[]says{{"zeta_pbx1", because("z", left(time.Hour))}, {"acme_pbx1", proved(because("a", left(time.Hour)))}},
			Verdict{Made: noon, Why: "a"}},
	} {
		h := heard(row.says...)
		got, counts := h.Judge(row.policy, attacker, noon)
		if !counts || got.Made != row.want.Made || got.Why != row.want.Why || got.Proved != row.want.Proved || got.Addr != attacker {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestBy: of many who say so, some are named: those on whom it rests, and those whose bans last longest.
func TestBy(t *testing.T) {
	var all []says
	for i := range 20 { // one site, whose bans last longest
		all = append(all, says{Name(fmt.Sprintf("acme_pbx%02d", i)), left(time.Duration(40-i) * time.Hour)})
	}
	all = append(all, says{"zeta_pbx1", left(3 * time.Hour)}, says{"beta_pbx1", left(2 * time.Hour)}, says{"trusted_pbx1", left(time.Hour)}, says{"home_pbx1", left(30 * time.Hour)}, says{"last_pbx1", left(90 * time.Minute)})
	long := with(func(p *Policy) { p.Longest, p.Agree, p.Trust = 100*time.Hour, 4, []string{"trusted"} })
	v, counts := heard(all...).Judge(long, attacker, noon)
	want := []Name{"acme_pbx00", "acme_pbx01", "acme_pbx02", "acme_pbx03", "beta_pbx1", "home_pbx1", "trusted_pbx1", "zeta_pbx1"}
	if !counts || v.Until != noon+2*time.Hour || len(want) != link.MaxBy || !slices.Equal(v.By, want) {
		t.Errorf("until %v by %v", v.Until-noon, v.By)
	}
	// More than can be named.
	all = nil
	for i := range 20 {
		all = append(all, says{Name(fmt.Sprintf("site%02d_pbx", i)), left(time.Hour)})
	}
	v, counts = heard(all...).Judge(with(func(p *Policy) { p.Agree = 12 }), attacker, noon)
	if !counts || len(v.By) != link.MaxBy {
		t.Errorf("counts: %v, by %v", counts, v.By)
	}
}

// flood returns the bans of one host: the nth was made n seconds ago.
func flood(n int) (said []Said) {
	for i := range n {
		said = append(said, Said{Addr: netip.AddrFrom4([4]byte{45, 9, byte(i >> 8), byte(i)}), Age: time.Duration(i) * time.Second, Left: time.Hour})
	}
	return said
}

// tell takes each host's bans in all slots.
func tell(h *Heard, n Name, at time.Duration, said ...Said) {
	for slot, s := range Divide(said) {
		h.Take(n, slot, s, at)
	}
}

// TestPerHost: of one host the newest bans count, and what does not count takes no place.
func TestPerHost(t *testing.T) {
	trust := with(func(p *Policy) { p.Trust, p.PerHost = []string{"acme"}, 10 })
	h := NewHeard()
	tell(h, "acme_pbx1", noon, flood(30)...)
	tell(h, "acme_pbx2", noon, aged(25*time.Second, Said{Addr: attacker, Left: time.Hour}))
	got := h.Believed(trust, noon)
	if len(got) != 11 {
		t.Errorf("%d count", len(got))
	}
	for _, v := range got {
		if v.Addr != attacker && v.Made < noon-9*time.Second {
			t.Errorf("%s is older than the newest ten", v.Addr)
		}
	}
	said := flood(30)
	for i := range said {
		said[i].Proved = i%3 == 2
	}
	tell(h, "acme_pbx1", noon, said...)
	trust.Proved = true
	if got := h.Believed(trust, noon); len(got) != 10 || got[0].Made > noon-2*time.Second {
		t.Errorf("of those proved, %d count", len(got))
	}
	trust.PerHost = 9
	if got := h.Believed(trust, noon); len(got) != 9 || slices.ContainsFunc(got, func(v Verdict) bool { return v.Made == noon-29*time.Second }) {
		t.Errorf("of those proved, %d count, %v", len(got), got)
	}
	// Those that are over make room: for the one with no less time left than they had, ten are.
	ending := flood(30)
	for i := range ending[:10] {
		ending[i].Left = time.Minute
	}
	h = NewHeard()
	tell(h, "acme_pbx1", noon, ending...)
	trust.Proved, trust.PerHost = false, 10
	if got := h.Believed(trust, noon+59*time.Second); len(got) != 10 || got[0].Addr != ending[0].Addr {
		t.Errorf("before they are over, %d count", len(got))
	}
	if _, counts := h.Judge(trust, ending[19].Addr, noon+time.Minute); !counts {
		t.Error("what is over takes a place")
	}
	h.Changed(noon)
	if changed, all := h.Changed(noon + 2*time.Minute); all || len(changed) == 0 {
		t.Errorf("%d have changed", len(changed))
	}
	// All of the same age: the lowest addresses, always the same ones.
	for i := range said {
		said[i].Age, said[i].Proved = 0, false
	}
	h = NewHeard()
	tell(h, "acme_pbx1", noon, said...)
	trust.Proved, trust.PerHost = false, 5
	got = h.Believed(trust, noon)
	if len(got) != 5 || got[4].Addr != said[4].Addr {
		t.Errorf("of the same age: %v", got)
	}
}

// TestMost: altogether the newest bans count, in the order of their addresses.
func TestMost(t *testing.T) {
	most := with(func(p *Policy) { p.Trust, p.Most = []string{"acme"}, 10 })
	h := NewHeard()
	tell(h, "acme_pbx1", noon, flood(300)...)
	tell(h, "acme_pbx2", noon, Said{Addr: attacker, Left: time.Hour})
	got := h.Believed(most, noon)
	if len(got) != 10 || !slices.IsSortedFunc(got, func(a, b Verdict) int { return a.Addr.Compare(b.Addr) }) {
		t.Errorf("%d count: %v", len(got), got)
	}
	for _, v := range got {
		if v.Made < noon-8*time.Second {
			t.Errorf("%s is not one of the newest ten", v.Addr)
		}
	}
	if _, counts := h.Judge(most, flood(300)[299].Addr, noon); !counts {
		t.Error("the limit is asked for one address")
	}
	most.Most = 301
	if got := h.Believed(most, noon); len(got) != 301 {
		t.Errorf("%d count", len(got))
	}
}
