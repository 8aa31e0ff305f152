package fleet

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// addrIn6 is the nth /64 of a network.
func addrIn6(network string, nth int) netip.Addr {
	b := netip.MustParsePrefix(network).Addr().As16()
	b[4], b[5], b[6], b[7] = b[4]+byte(nth>>24), b[5]+byte(nth>>16), b[6]+byte(nth>>8), b[7]+byte(nth)
	return netip.AddrFrom16(b)
}

// attacks are by what one attacker has, who is banned 600 times: more than all that a host may say.
var attacks = []struct {
	name string
	from func(i int) netip.Addr
}{
	{"a /48", func(i int) netip.Addr { return addrIn6("2a0a:1:2::/48", i) }},
	{"a /32", func(i int) netip.Addr { return addrIn6("2a0a:1::/32", i<<16) }},
	{"an IPv4 /16", func(i int) netip.Addr { return netip.AddrFrom4([4]byte{91, 7, byte(i), 1}) }},
	{"three IPv4 /24", func(i int) netip.Addr { return netip.AddrFrom4([4]byte{91, 7, byte(i % 3), byte(i / 3)}) }},
}

// TestOneNetworkTakesFewPlaces: whoever has a network, and is banned with hundreds of its addresses, pushes
// nothing out of what a host says, nor out of what counts of what it says. The older bans are of others.
func TestOneNetworkTakesFewPlaces(t *testing.T) {
	const older, most = 400, 500
	for _, attack := range attacks {
		var said []Said
		for i := range 600 {
			said = append(said, Said{Addr: attack.from(i), Age: time.Duration(i) * time.Second, Left: time.Hour})
		}
		for i := range older {
			said = append(said, Said{Addr: apart(i), Age: time.Hour, Left: time.Hour})
		}
		h := NewHeard()
		for slot, some := range Divide(said) {
			h.Take("acme_pbx1", slot, some, noon)
		}
		believed := h.Believed(trusting("acme"), noon)
		first, whole := Foremost(said, Said.placed, most)
		for name, n := range map[string]int{
			"said":   count(first, func(s Said) bool { return s.Age == time.Hour }),
			"counts": count(believed, func(v Verdict) bool { return v.Made == noon-time.Hour }),
		} {
			if n != older {
				t.Errorf("%s: of %d older bans of others, %d %s", attack.name, older, n, name)
			}
		}
		if len(first) != most || len(believed) != most || whole != 0 {
			t.Errorf("%s: %d are said and %d count, not %d: there is room; whole until %s", attack.name, len(first), len(believed), most, whole)
		}
	}
}

func count[T any](all []T, is func(T) bool) (n int) {
	for _, one := range all {
		if is(one) {
			n++
		}
	}
	return n
}

// TestOneNetworkTakesFewPlacesOfASlot: nor does it push them out of a message, by addresses of one slot.
func TestOneNetworkTakesFewPlacesOfASlot(t *testing.T) {
	old := Said{Addr: attacker, Age: time.Hour, Left: time.Hour}
	said := []Said{old}
	for i := 0; len(said) < 400; i++ {
		if a := addrIn6("2a0a:1:2::/48", i); SlotOf(a) == slot {
			said = append(said, Said{Addr: a, Left: time.Hour})
		}
	}
	text, leftOut := Encode("boot", said, 0)
	m, err := Decode(slot, text)
	if err != nil || leftOut == 0 || m.Whole != 0 || !slices.ContainsFunc(m.Said, func(s Said) bool { return s.Addr == old.Addr }) {
		t.Errorf("%d left out, whole until %s, %v", leftOut, m.Whole, err)
	}
}

// TestNetworksOfKeys: which addresses share.
func TestNetworksOfKeys(t *testing.T) {
	for _, row := range []struct {
		a, b string
		want [len(levels)]bool
	}{
		{"45.1.2.3", "45.1.2.255", [2]bool{true, true}},
		{"45.1.2.3", "45.1.3.3", [2]bool{false, true}},
		{"45.1.2.3", "45.2.2.3", [2]bool{false, false}},
		{"2a0a:1:2:3::", "2a0a:1:2:ffff::", [2]bool{true, true}},
		{"2a0a:1:2:3::", "2a0a:1:3:3::", [2]bool{false, true}},
		{"2a0a:1:2:3::", "2a0a:2:2:3::", [2]bool{false, false}},
	} {
		a, _ := keyOf(netip.MustParseAddr(row.a))
		b, _ := keyOf(netip.MustParseAddr(row.b))
		for level := range levels {
			if is := a.network(level) == b.network(level); is != row.want[level] {
				t.Errorf("%s and %s share at level %d: %v", row.a, row.b, level, is)
			}
		}
		if a.network(0) == a.network(1) {
			t.Errorf("%s: two levels have one network", row.a)
		}
	}
}

// TestLeftOutIsNotTakenBack: what a host's message has no room for any more goes on to count until its end.
// What the message would have, and has not, is taken back.
func TestLeftOutIsNotTakenBack(t *testing.T) {
	const age = time.Hour
	for _, row := range []struct {
		name  string
		whole time.Duration
		until time.Duration // after noon; 0: it does not count
	}{
		{"all is said", 0, 0},
		{"all that is younger than two hours", 2 * age, 0},
		{"all that is younger", age, 5 * time.Hour},
		{"nothing old", time.Second, 5 * time.Hour},
	} {
		h := NewHeard()
		p := trusting("acme")
		h.Take("acme_pbx1", slot, []Said{aged(age, left(5*time.Hour))}, noon)
		h.Believed(p, noon)
		h.Changed(noon)
		text, _ := Encode("boot", nil, row.whole)
		m, err := Decode(slot, text)
		if err != nil {
			t.Fatal(err)
		}
		h.TakeMessage("acme_pbx1", slot, m, noon)
		v, counts := h.Judge(p, attacker, noon)
		if counts != (row.until > 0) || counts && v.Until != noon+row.until {
			t.Errorf("%s: %v, until %s", row.name, counts, v.Until-noon)
		}
		if changed, all := h.Changed(noon); row.until == 0 && (all || len(changed) != 1) {
			t.Errorf("%s: %v have changed, all: %v", row.name, changed, all)
		}
		if _, counts := h.Judge(p, attacker, noon+5*time.Hour); counts {
			t.Errorf("%s: it counts after its end", row.name)
		}
		// A ban that is said as over takes it back in any case.
		h.TakeMessage("acme_pbx1", slot, Message{Said: []Said{{Addr: attacker, Age: age}}, Whole: row.whole}, noon)
		if _, counts := h.Judge(p, attacker, noon); counts {
			t.Errorf("%s: it was said to be over", row.name)
		}
	}
}

// TestKeptIsBounded: a host that never says all has no more bans in memory for that, and no more of them count.
func TestKeptIsBounded(t *testing.T) {
	h := NewHeard()
	p := with(func(p *Policy) { p.Trust, p.PerHost = []string{"acme"}, 100 })
	for i := range 200 {
		var said []Said
		for j := range 30 {
			said = append(said, Said{Addr: apart(i*30 + j), Left: time.Hour})
		}
		now := noon + time.Duration(i)*time.Second
		for slot, some := range Divide(said) {
			h.TakeMessage("acme_pbx1", slot, Message{Said: some, Whole: 1}, now)
		}
	}
	if n, most := h.Bans(self), Slots*mostKept+30; n > most || n < Slots*mostKept {
		t.Errorf("%d statements are in memory, not at most %d", n, most)
	}
	got := h.Believed(p, noon+200*time.Second)
	if n := count(got, func(v Verdict) bool { return v.Made < noon+190*time.Second }); len(got) != p.PerHost+30 || n != 0 {
		t.Errorf("%d count, %d of them old", len(got), n)
	}
}
