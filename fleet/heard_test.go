package fleet

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// addrs returns the addresses of verdicts.
func addrs(all []Verdict) (as []netip.Addr) {
	for _, v := range all {
		as = append(as, v.Addr)
	}
	return as
}

// trusting is a policy by which each word of these sites counts.
func trusting(sites ...string) Policy {
	return with(func(p *Policy) { p.Trust = sites })
}

// slot is the attacker's.
var slot = SlotOf(attacker)

// TestTake: a message replaces what the host has said in the slot before, and nothing else.
func TestTake(t *testing.T) {
	a, b, elsewhere := addrIn(slot, 0), addrIn(slot, 1), addrIn((slot+1)%Slots, 0)
	hour := func(a netip.Addr) Said { return Said{Addr: a, Left: time.Hour} }
	h := NewHeard()
	h.Take("acme_pbx1", slot, []Said{hour(a)}, noon)
	h.Take("acme_pbx1", (slot+1)%Slots, []Said{hour(elsewhere)}, noon)
	h.Take("acme_pbx2", slot, []Said{hour(b)}, noon)
	for _, row := range []struct {
		name string
		do   func()
		want []netip.Addr
	}{
		{"all", func() {}, []netip.Addr{a, b, elsewhere}},
		{"an unban", func() { h.Take("acme_pbx1", slot, nil, noon) }, []netip.Addr{b, elsewhere}},
		{"a ban", func() { h.Take("acme_pbx1", slot, []Said{hour(b), hour(a)}, noon) }, []netip.Addr{a, b, elsewhere}},
		{"what another host says, too", func() { h.Take("acme_pbx2", slot, nil, noon) }, []netip.Addr{a, b, elsewhere}},
		{"another slot's", func() { h.Take("acme_pbx2", slot, []Said{hour(elsewhere)}, noon) }, []netip.Addr{a, b, elsewhere}},
		{"all is taken back", func() { h.Take("acme_pbx1", slot, nil, noon); h.Take("acme_pbx1", (slot+1)%Slots, nil, noon) }, nil},
		{"odd addresses", func() {
			h.Take("acme_pbx2", slot, []Said{{}, hour(netip.MustParseAddr("::ffff:45.1.2.3")), hour(netip.MustParseAddr("2a00::1"))}, noon)
		}, nil},
		{"one address twice", func() {
			h.Take("acme_pbx2", slot, []Said{hour(a), {Addr: a, Left: 2 * time.Hour}}, noon)
		}, []netip.Addr{a}},
	} {
		row.do()
		got := addrs(h.Believed(trusting("acme"), noon))
		slices.SortFunc(row.want, netip.Addr.Compare)
		if !slices.Equal(got, row.want) {
			t.Errorf("%s: %v, want %v", row.name, got, row.want)
		}
	}
	if v, _ := h.Judge(trusting("acme"), a, noon); v.Until != noon+time.Hour {
		t.Errorf("of two, the first counts: until %v", v.Until-noon)
	}
}

// TestJitter: a ban that is said again has the same times, though seconds are cut and messages take a
// moment. It does not creep on for that.
func TestJitter(t *testing.T) {
	h := NewHeard()
	p := trusting("acme")
	until := func() time.Duration {
		v, _ := h.Judge(p, attacker, noon)
		return v.Until - noon
	}
	h.Take("acme_pbx1", slot, []Said{left(time.Hour)}, noon)
	h.Believed(p, noon)
	for i := range 3 {
		at := noon + time.Duration(i)*600*time.Millisecond
		h.Take("acme_pbx1", slot, []Said{left(time.Hour)}, at)
		if changed, all := h.Changed(noon); len(changed) > 0 || all || until() != time.Hour {
			t.Errorf("%v later: %v %v, until %v", at-noon, changed, all, until())
		}
	}
	h.Take("acme_pbx1", slot, []Said{left(time.Hour)}, noon+jitter)
	if changed, all := h.Changed(noon); len(changed) != 1 || all || until() != time.Hour+jitter {
		t.Errorf("%v later: %v %v, until %v", jitter, changed, all, until())
	}
	h.Take("acme_pbx1", slot, []Said{left(time.Hour - jitter)}, noon+jitter)
	if changed, _ := h.Changed(noon); len(changed) != 1 || until() != time.Hour {
		t.Errorf("a sooner end: %v, until %v", changed, until())
	}
	for _, s := range []Said{left(-1), proved(left(-1)), {Addr: attacker, Left: -1, Proved: true, Why: "another"}, aged(jitter, Said{Addr: attacker, Left: -1, Proved: true, Why: "another"})} {
		h.Take("acme_pbx1", slot, []Said{s}, noon+jitter)
		if changed, _ := h.Changed(noon); len(changed) != 1 {
			t.Errorf("%+v: %v", s, changed)
		}
		h.Take("acme_pbx1", slot, []Said{s}, noon+jitter)
		if changed, _ := h.Changed(noon); len(changed) != 0 {
			t.Errorf("%+v again: %v", s, changed)
		}
	}
}

// TestCarry: what is in force from before counts until its hosts have said the slot again, or it ends.
func TestCarry(t *testing.T) {
	carried := Said{Addr: attacker, Age: time.Hour, Left: 2 * time.Hour, Why: "fail2ban asterisk"}
	both := []Name{"acme_pbx1", "zeta_pbx1"}
	for _, row := range []struct {
		name   string
		policy Policy
		by     []Name
		do     func(h *Heard)
		until  time.Duration // 0: it does not count
	}{
		{"by two sites", policy, both, func(*Heard) {}, 2 * time.Hour},
		{"by one site, which is trusted no more", policy, both[:1], func(*Heard) {}, 0},
		{"by nobody", policy, nil, func(*Heard) {}, 0},
		{"longer than the longest", with(func(p *Policy) { p.Longest = 90 * time.Minute }), both, func(*Heard) {}, 30 * time.Minute},
		{"both say another slot", policy, both, func(h *Heard) {
			h.Take("acme_pbx1", (slot+1)%Slots, nil, noon)
			h.Take("zeta_pbx1", (slot+15)%Slots, nil, noon)
		}, 2 * time.Hour},
		{"another host says the slot", policy, both, func(h *Heard) { h.Take("acme_pbx2", slot, nil, noon) }, 2 * time.Hour},
		{"one says no more", policy, both, func(h *Heard) { h.Take("acme_pbx1", slot, nil, noon) }, 0},
		{"one says so for longer", policy, both, func(h *Heard) { h.Take("acme_pbx1", slot, []Said{left(9 * time.Hour)}, noon) }, 2 * time.Hour},
		{"both do", policy, both, func(h *Heard) {
			h.Take("acme_pbx1", slot, []Said{left(9 * time.Hour)}, noon)
			h.Take("zeta_pbx1", slot, []Said{left(8 * time.Hour)}, noon)
		}, 8 * time.Hour},
		{"a third instead of one", policy, both, func(h *Heard) {
			h.Take("acme_pbx1", slot, nil, noon)
			h.Take("beta_pbx1", slot, []Said{left(time.Hour)}, noon)
		}, time.Hour},
		{"said before it was carried", policy, both[1:], func(h *Heard) {
			h.Take("acme_pbx1", slot, []Said{left(time.Minute)}, noon)
			h.Carry(both, carried, noon)
		}, time.Minute},
		{"said by one before it was carried", policy, nil, func(h *Heard) {
			h.Take("acme_pbx1", slot, []Said{left(9 * time.Hour)}, noon)
			h.Carry(both, carried, noon)
		}, 2 * time.Hour},
		{"carried twice", policy, both, func(h *Heard) { h.Carry(both, left(9*time.Hour), noon) }, 2 * time.Hour},
		{"carried after the slot was said", policy, nil, func(h *Heard) {
			h.Take("acme_pbx1", slot, nil, noon)
			h.Carry(both, carried, noon)
		}, 2 * time.Hour},
	} {
		h := NewHeard()
		h.Carry(row.by, carried, noon)
		row.do(h)
		until := time.Duration(0)
		if v, counts := h.Judge(row.policy, attacker, noon); counts {
			until = v.Until - noon
		}
		if until != row.until {
			t.Errorf("%s: until %v, want %v", row.name, until, row.until)
		}
	}
	h := NewHeard()
	h.Carry(both, Said{Addr: netip.MustParseAddr("::ffff:45.1.2.3"), Left: time.Hour}, noon)
	h.Carry(both, Said{}, noon)
	if got := h.Believed(policy, noon); len(got) != 0 || h.Hosts(self) != 0 || h.Bans(self) != 0 {
		t.Errorf("odd addresses: %v, %d hosts, %d bans", got, h.Hosts(self), h.Bans(self))
	}
}

// TestNewStream: when the hub has lost its store, nothing that was heard ends by that.
func TestNewStream(t *testing.T) {
	p := trusting("acme")
	other := addrIn(slot, 5)
	until := func(h *Heard, a netip.Addr) time.Duration {
		v, counts := h.Judge(p, a, noon)
		if !counts {
			return 0
		}
		return (v.Until - noon).Round(time.Second)
	}
	for _, row := range []struct {
		name       string
		do         func(h *Heard)
		want, more time.Duration // of the attacker, and of the other one
	}{
		{"nothing yet", func(*Heard) {}, time.Hour, 0},
		{"lost again", func(h *Heard) { h.NewStream() }, time.Hour, 0},
		{"the host says its slot", func(h *Heard) { h.Take("acme_pbx1", slot, nil, noon+1) }, 0, 0},
		{"another one", func(h *Heard) { h.Take("acme_pbx1", (slot+1)%Slots, nil, noon+1) }, time.Hour, 0},
		{"another host", func(h *Heard) { h.Take("acme_pbx2", slot, nil, noon+1) }, time.Hour, 0},
		{"from a backup: no ban", func(h *Heard) { h.Take("acme_pbx1", slot, nil, noon) }, time.Hour, 0},
		{"a shorter ban", func(h *Heard) { h.Take("acme_pbx1", slot, []Said{left(time.Minute)}, noon-1) }, time.Hour, 0},
		{"a longer ban", func(h *Heard) { h.Take("acme_pbx1", slot, []Said{left(2 * time.Hour)}, noon) }, 2 * time.Hour, 0},
		{"another ban", func(h *Heard) { h.Take("acme_pbx1", slot, []Said{{Addr: other, Left: time.Hour}}, noon) }, time.Hour, time.Hour},
		{"and then its slot", func(h *Heard) {
			h.Take("acme_pbx1", slot, []Said{{Addr: other, Left: time.Hour}}, noon)
			h.Take("acme_pbx1", slot, []Said{left(time.Minute)}, noon+1)
		}, time.Minute, 0},
		{"lost twice, and then from a backup", func(h *Heard) {
			h.NewStream()
			h.Take("acme_pbx1", slot, nil, noon-time.Hour)
		}, time.Hour, 0},
	} {
		h := NewHeard()
		h.Take("acme_pbx1", slot, []Said{left(time.Hour)}, noon-1)
		h.Take("acme_pbx3", slot, nil, noon)
		h.NewStream()
		if h.Hosts(self) != 0 || h.Bans(self) != 0 {
			t.Errorf("%s: %d hosts and %d bans are at the hub", row.name, h.Hosts(self), h.Bans(self))
		}
		row.do(h)
		if got, more := until(h, attacker), until(h, other); got != row.want || more != row.more {
			t.Errorf("%s: until %v and %v, want %v and %v", row.name, got, more, row.want, row.more)
		}
	}
	// Of two bans with one end, the one that was heard counts, which was made later.
	h := NewHeard()
	h.Take("acme_pbx1", slot, []Said{left(-1)}, noon)
	h.NewStream()
	h.Take("acme_pbx1", slot, []Said{aged(time.Hour, left(-1))}, noon-time.Second)
	if got := until(h, attacker); got != 24*time.Hour {
		t.Errorf("the former ban without end: until %v", got)
	}
	// Before anything was heard, all is new.
	h = NewHeard()
	h.Carry([]Name{"acme_pbx1"}, left(time.Hour), noon)
	h.NewStream()
	h.Take("acme_pbx1", slot, nil, -time.Hour)
	if got := until(h, attacker); got != 0 {
		t.Errorf("the first stream: until %v", got)
	}
}

// TestHostsAndBans: what is counted is what the hub has.
func TestHostsAndBans(t *testing.T) {
	h := NewHeard()
	h.Carry([]Name{"acme_pbx1", "zeta_pbx1"}, left(time.Hour), noon)
	check := func(what string, hosts, bans int) {
		t.Helper()
		if h.Hosts(self) != hosts || h.Bans(self) != bans {
			t.Errorf("%s: %d hosts, %d bans; want %d and %d", what, h.Hosts(self), h.Bans(self), hosts, bans)
		}
	}
	check("carried", 0, 0)
	h.Take("acme_pbx1", (slot+1)%Slots, []Said{{Addr: addrIn((slot+1)%Slots, 0)}, {Addr: addrIn((slot+1)%Slots, 1)}}, noon)
	check("one slot", 1, 2)
	h.Take("zeta_pbx1", slot, nil, noon)
	check("an empty one, as of a host that is revoked", 1, 2)
	h.Take("acme_pbx1", slot, []Said{left(time.Hour)}, noon)
	check("another one", 1, 3)
	h.Take(self, slot, []Said{left(time.Hour)}, noon)
	check("this host is no other", 1, 3)
}

// TestChanged: it names the addresses about which something else may count.
func TestChanged(t *testing.T) {
	h := NewHeard()
	p := trusting("acme")
	p.PerHost = 5
	if _, all := h.Changed(noon); !all {
		t.Error("at first, all has changed")
	}
	if got, all := h.Changed(noon); all || len(got) > 0 {
		t.Errorf("then nothing: %v %v", got, all)
	}
	h.Believed(p, noon)
	said := flood(7)
	step := func(what string, want []int, do func()) {
		t.Helper()
		do()
		got, all := h.Changed(noon)
		var addrs []netip.Addr
		for _, i := range want {
			addrs = append(addrs, said[i].Addr)
		}
		if all || !slices.Equal(got, addrs) {
			t.Errorf("%s: %v, all: %v, want %v", what, got, all, addrs)
		}
	}
	step("two bans", []int{1, 2}, func() { tell(h, "acme_pbx1", noon, said[1:3]...) })
	step("the same ones", nil, func() { tell(h, "acme_pbx1", noon, said[1:3]...) })
	step("one less, another one more", []int{1, 3}, func() { tell(h, "acme_pbx1", noon, said[2:4]...) })
	step("too many of one host: all are news", []int{1, 4, 5, 6}, func() { tell(h, "acme_pbx1", noon, said[1:]...) })
	step("a newer one displaces one", []int{0, 5}, func() { tell(h, "acme_pbx1", noon, said...) })
	step("without it, that one counts again", []int{0, 5}, func() { tell(h, "acme_pbx1", noon, said[1:]...) })
	step("one that counts is taken back, and there are not too many", []int{2, 6}, func() {
		tell(h, "acme_pbx1", noon, slices.Concat(said[1:2], said[3:])...)
	})
	step("a carried one", []int{0, 6}, func() { h.Carry([]Name{"acme_pbx1"}, said[0], noon) })
	step("all are taken back", []int{0, 1, 3, 4, 5, 6}, func() { tell(h, "acme_pbx1", noon) })
	step("lost", nil, h.NewStream)
	step("said by one host, then by another", []int{1}, func() {
		tell(h, "acme_pbx1", noon, said[1])
		tell(h, "acme_pbx2", noon, said[1])
	})
	step("asked as a whole", nil, func() {
		tell(h, "acme_pbx1", noon)
		h.Believed(p, noon)
	})

	h.Judge(trusting("acme", "zeta"), attacker, noon)
	if got, all := h.Changed(noon); !all {
		t.Errorf("another policy: %v", got)
	}
	for i := range mostChanged {
		h.change(key(i))
	}
	if h.all || len(h.changed) != mostChanged {
		t.Errorf("%d changed, all: %v", len(h.changed), h.all)
	}
	h.change(1)
	if got, all := h.Changed(noon); !all || got != nil || h.changed != nil {
		t.Errorf("very many: %d", len(got))
	}
}

// TestAnotherPolicy: what the hosts' words are worth follows the policy, whichever was asked before,
// and hosts that come later are judged by it, too.
func TestAnotherPolicy(t *testing.T) {
	h := NewHeard()
	tell(h, "acme_pbx1", noon, flood(20)...)
	proofs := flood(20)
	for i := range proofs {
		proofs[i].Proved = i >= 10
	}
	tell(h, "zeta_pbx1", noon, proofs...)
	count := func(what string, want int, change func(p *Policy)) {
		t.Helper()
		if got := h.Believed(with(change), noon); len(got) != want {
			t.Errorf("%s: %d count, want %d", what, len(got), want)
		}
	}
	count("two agree", 20, func(*Policy) {})
	count("on those of each that count", 5, func(p *Policy) { p.PerHost = 5 })
	count("proved", 0, func(p *Policy) { p.Proved = true })
	count("proved, and one is trusted", 10, func(p *Policy) { p.Proved, p.Trust = true, []string{"zeta"} })
	count("five of each, proved", 5, func(p *Policy) { p.PerHost, p.Proved, p.Trust = 5, true, []string{"zeta"} })
	count("another one is trusted", 0, func(p *Policy) { p.Proved, p.Trust = true, []string{"acme"} })
	count("and a new host of a trusted site", 11, func(p *Policy) {
		p.Proved, p.Trust = true, []string{"zeta"}
		h.Judge(*p, attacker, noon)
		h.Take("zeta_pbx2", slot, []Said{proved(left(time.Hour))}, noon)
	})
	count("this host", 0, func(p *Policy) { p.Proved, p.Trust, p.Self = true, []string{"zeta_pbx1"}, "zeta_pbx1" })
}

// TestLarge: ten thousand hosts.
func TestLarge(t *testing.T) {
	c := newCrowd(10_000, 10)
	h := NewHeard()
	c.take(h)
	if h.Hosts(self) != 10_000 || h.Bans(self) != 100_000 {
		t.Errorf("%d hosts, %d bans", h.Hosts(self), h.Bans(self))
	}
	got := h.Believed(with(func(p *Policy) { p.Most = 1e6 }), benchNow)
	if len(got) != 50_000 {
		t.Errorf("%d count", len(got))
	}
	for _, v := range got {
		one, ok := h.Judge(with(func(p *Policy) { p.Most = 1e6 }), v.Addr, benchNow)
		if !ok || !sameVerdict(one, v) {
			t.Fatalf("alone: %+v, of all: %+v", one, v)
		}
		if v.Addr.As4()[3] > 20 {
			break
		}
	}
	if got := unsafe.Sizeof(statement{}); got != 32 {
		t.Errorf("a statement takes %d bytes", got)
	}
}

// TestAllSayOne: an address that all of a large fleet have banned.
func TestAllSayOne(t *testing.T) {
	h := NewHeard()
	for i := range 3000 {
		h.Take(Name(fmt.Sprintf("site%d_pbx", i)), slot, []Said{left(time.Duration(3000-i) * time.Second)}, noon)
	}
	v, counts := h.Judge(policy, attacker, noon)
	if !counts || v.Until != noon+2999*time.Second || len(v.By) != 8 || !strings.HasPrefix(string(v.By[0]), "site0_") {
		t.Errorf("%+v", v)
	}
}
