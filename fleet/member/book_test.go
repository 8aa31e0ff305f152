package member

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/link"
)

const now = 1000 * time.Hour // an uptime

func names(t *testing.T, all ...string) (by []fleet.Name) {
	t.Helper()
	for _, text := range all {
		n, err := fleet.ParseName(text)
		if err != nil {
			t.Fatal(err)
		}
		by = append(by, n)
	}
	return by
}

func addr(i int) netip.Addr { return netip.AddrFrom4([4]byte{45, 1, byte(i >> 8), byte(i)}) }

// verdict is one about an address that ends so long after now.
func verdict(i int, left time.Duration, by ...fleet.Name) fleet.Verdict {
	return fleet.Verdict{Addr: addr(i), Until: now + left, Made: now - time.Minute, By: by, Why: "fail2ban asterisk"}
}

// TestMissing: the agent is asked for a ban if it does not have it as it is to be.
func TestMissing(t *testing.T) {
	two := names(t, "acme_pbx1", "zeta_pbx1")
	three := names(t, "acme_pbx1", "beta_pbx1", "zeta_pbx1")
	proved := verdict(1, time.Hour, two...)
	proved.Proved = true
	for _, c := range []struct {
		what string
		v    fleet.Verdict
		did  func(b *book)
		want bool
	}{
		{"it has nothing", verdict(1, time.Hour, two...), func(*book) {}, true},
		{"it has it", verdict(1, time.Hour, two...), func(b *book) { b.hold(addr(1), now+time.Hour, two, false) }, false},
		{"it is over", verdict(1, 0, two...), func(*book) {}, false},
		{"it has another", verdict(1, time.Hour, two...), func(b *book) { b.hold(addr(2), now+time.Hour, two, false) }, true},
		{"it ended here", verdict(1, time.Hour, two...), func(b *book) { b.hold(addr(1), now, two, false) }, true},
		{"nearly the same end", verdict(1, time.Hour+4999*time.Millisecond, two...), func(b *book) { b.hold(addr(1), now+time.Hour, two, false) }, false},
		{"a later end", verdict(1, time.Hour+5*time.Second, two...), func(b *book) { b.hold(addr(1), now+time.Hour, two, false) }, true},
		{"an earlier end", verdict(1, time.Hour-5*time.Second, two...), func(b *book) { b.hold(addr(1), now+time.Hour, two, false) }, true},
		{"one more says so", verdict(1, time.Hour, three...), func(b *book) { b.hold(addr(1), now+time.Hour, two, false) }, false},
		{"one says so no more", verdict(1, time.Hour, two...), func(b *book) { b.hold(addr(1), now+time.Hour, three, false) }, true},
		{"it was proved", verdict(1, time.Hour, two...), func(b *book) { b.hold(addr(1), now+time.Hour, two, true) }, false},
		{"it is proved now", proved, func(b *book) { b.hold(addr(1), now+time.Hour, two, false) }, true},
		{"refused just now", verdict(1, time.Hour, two...), func(b *book) { b.refuse(addr(1), link.Exempt, now) }, false},
		{"refused nearly five minutes ago", verdict(1, time.Hour, two...), func(b *book) { b.refuse(addr(1), link.Exempt, now-askAgain+1) }, false},
		{"refused five minutes ago", verdict(1, time.Hour, two...), func(b *book) { b.refuse(addr(1), link.Exempt, now-askAgain) }, true},
		{"refused by a clock that was ahead", verdict(1, time.Hour, two...), func(b *book) { b.refuse(addr(1), link.Exempt, now+time.Second) }, true},
		{"taken back", verdict(1, time.Hour, two...), func(b *book) { b.hold(addr(1), now+time.Hour, two, false); b.release(addr(1)) }, true},
		{"refused, then made", verdict(1, time.Hour, two...), func(b *book) { b.refuse(addr(1), link.Veto, now); b.hold(addr(1), now+time.Hour, two, false) }, false},
		{"made, then refused", verdict(1, time.Hour, two...), func(b *book) { b.hold(addr(1), now+time.Hour, two, false); b.refuse(addr(1), link.Veto, now) }, false},
	} {
		b := newBook()
		c.did(b)
		if got := b.missing(c.v, now); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}

// TestRead: what the agent says that it has is what the book has, refusals apart.
func TestRead(t *testing.T) {
	by := names(t, "acme_pbx1", "zeta_pbx1")
	b := newBook()
	b.hold(addr(9), now+time.Hour, by, false)
	b.refuse(addr(8), link.Phone, now)
	b = b.anew()
	for _, ban := range []link.Ban{
		{Addr: addr(1), Left: time.Hour, By: []string{"acme_pbx1", "zeta_pbx1"}, Proved: true},
		{Addr: addr(2), Left: time.Hour},
		{Addr: addr(3), Left: time.Hour, By: []string{"no name"}},
		{},
	} {
		b.read(ban, now)
	}
	v := verdict(1, time.Hour, by...)
	v.Proved = true
	if b.missing(v, now) || !b.missing(verdict(2, time.Hour, by...), now) || b.missing(verdict(8, time.Hour, by...), now) || !b.missing(verdict(9, time.Hour, by...), now) {
		t.Errorf("%+v", b)
	}
	for i, want := range map[int]bool{1: true, 2: true, 3: true, 8: false, 9: false} {
		if b.surplus(addr(i), now) != want {
			t.Errorf("%d: it can be taken back: %v", i, !want)
		}
	}
	if b.surplus(addr(1), now+time.Hour) {
		t.Error("what is over is taken back")
	}
	if diff := cmp.Diff(map[string]int{link.Phone: 1}, b.left()); diff != "" {
		t.Error(diff)
	}
}

// TestWhole: what counts and is not there is made; what is there and does not count is taken back. A plan
// that was carried out leaves nothing to do.
func TestWhole(t *testing.T) {
	by := names(t, "acme_pbx1", "zeta_pbx1")
	b := newBook()
	b.hold(addr(1), now+time.Hour, by, false)
	b.hold(addr(2), now+time.Hour, by, false)
	b.hold(addr(3), now, by, false) // over
	b.refuse(addr(4), link.Full, now)
	b.refuse(addr(5), link.Full, now)
	believed := []fleet.Verdict{verdict(1, time.Hour, by...), verdict(4, time.Hour, by...)}
	for i := range 1200 {
		believed = append(believed, verdict(1000+i, time.Hour, by...))
	}
	each := func(do func(fleet.Verdict)) {
		for _, v := range believed {
			do(v)
		}
	}
	p, n := b.whole(each, now)
	if n != len(believed) || len(p.add) != 1200 || !slices.Equal(p.remove, []netip.Addr{addr(2)}) || len(b.refused) != 1 || len(b.held) != 2 {
		t.Errorf("%d, %v; %d refused, %d held", len(p.add), p.remove, len(b.refused), len(b.held))
	}
	var sizes []string
	for {
		r, of, ok := p.request(among(believed), now)
		if !ok {
			break
		}
		sizes = append(sizes, fmt.Sprint(len(r.Add), len(r.Remove)))
		if len(of) != len(r.Add) || len(r.Add) > 0 && (r.Add[0].Left != time.Hour || r.Add[0].Age != time.Minute || !slices.Equal(r.Add[0].By, []string{"acme_pbx1", "zeta_pbx1"})) {
			t.Errorf("%+v", r.Add[0])
		}
		b.answered(r, of, link.Answer{Refused: []link.Refusal{{Addr: addr(1000), Why: link.Exempt}}}, now)
	}
	if diff := cmp.Diff([]string{"500 0", "500 0", "200 1"}, sizes); diff != "" {
		t.Error(diff)
	}
	if p, _ := b.whole(each, now); len(p.add)+len(p.remove) != 0 || b.left()[link.Exempt] != 1 {
		t.Errorf("%d, %d: %v", len(p.add), len(p.remove), b.left())
	}
}

// among judges by a list.
func among(all []fleet.Verdict) judge {
	return func(a netip.Addr) (fleet.Verdict, bool) {
		i := slices.IndexFunc(all, func(v fleet.Verdict) bool { return v.Addr == a })
		if i < 0 {
			return fleet.Verdict{}, false
		}
		return all[i], true
	}
}

// TestOverMeanwhile: a ban that ends, or counts no more, while others are made is not asked for.
func TestOverMeanwhile(t *testing.T) {
	p := plan{add: []netip.Addr{addr(1), addr(2), addr(3)}}
	r, of, ok := p.request(among([]fleet.Verdict{verdict(1, time.Second), verdict(2, time.Hour)}), now+time.Second)
	if !ok || len(r.Add) != 1 || r.Add[0].Addr != addr(2) || len(of) != 1 {
		t.Errorf("%+v", r)
	}
}

// TestSlots: each ban is said in its slot, and one without end as such.
func TestSlots(t *testing.T) {
	six := netip.MustParseAddr("2a00:9::")
	all := slots([]link.Ban{
		{Addr: addr(1), Age: time.Minute, Left: time.Hour, Why: "by hand", Proved: true}, {Addr: six},
		{}, {Addr: netip.MustParseAddr("10.0.0.1")},
	})
	var got []fleet.Said
	for i, some := range all {
		for _, said := range some {
			if fleet.SlotOf(said.Addr) != i {
				t.Errorf("%s is in slot %d", said.Addr, i)
			}
			got = append(got, said)
		}
	}
	slices.SortFunc(got, func(a, b fleet.Said) int { return a.Addr.Compare(b.Addr) })
	want := []fleet.Said{{Addr: addr(1), Age: time.Minute, Left: time.Hour, Why: "by hand", Proved: true}, {Addr: six, Left: -1}}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}
