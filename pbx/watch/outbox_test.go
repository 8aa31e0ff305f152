package watch

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/pbx"
	"github.com/voipbl/voipbl/pbx/detect"
	"github.com/voipbl/voipbl/pbx/link"
)

// TestOutboxBounds: what waits for an agent that stays away is bounded.
func TestOutboxBounds(t *testing.T) {
	o := newOutbox()
	for i := range 20_000 {
		a := netip.AddrFrom4([4]byte{8, byte(i >> 16), byte(i >> 8), byte(i)})
		o.take(detect.Ban{Addr: a, For: time.Hour}, time.Now())
		o.take(detect.Trust{Phone: detect.Phone{Addr: a, Account: "1"}}, time.Now())
		o.take(detect.Tell{Text: "x"}, time.Now())
	}
	for i := range 1_500 {
		o.take(detect.Untrust{Network: netip.PrefixFrom(netip.AddrFrom4([4]byte{9, 0, byte(i >> 8), byte(i)}), 32)}, time.Now())
	}
	if len(o.bans) >= 2*mostBans || len(o.phones) != pbx.MostPhones || len(o.tells) != link.MaxTells || len(o.forget) != known.MostForgotten {
		t.Errorf("%d bans, %d phones, %d tells, %d networks", len(o.bans), len(o.phones), len(o.tells), len(o.forget))
	}
	waiting := o.takeBans(time.Now())
	o.putBack(waiting, "full")
	o.putBack(waiting, "full")
	if len(o.bans) != mostBans {
		t.Errorf("%d bans put back", len(o.bans))
	}
	for i, b := range []detect.Ban{
		{For: 10 * time.Minute, Evidence: detect.Evidence{Counts: map[pbx.What]int{pbx.WrongPassword: 99}}},
		{For: 10 * time.Minute, Proved: true},
		{For: 2 * time.Hour, Proved: true},
		{For: 10 * time.Minute, Proved: true, Evidence: detect.Evidence{Counts: map[pbx.What]int{pbx.WrongPassword: 3}}},
	} {
		b.Addr = netip.AddrFrom4([4]byte{9, 9, 9, byte(i)})
		o.take(b, time.Now())
	}
	var worst []byte
	for _, b := range o.takeBans(time.Now())[:3] {
		worst = append(worst, b.Addr.As4()[3])
	}
	if !slices.Equal(worst, []byte{2, 3, 1}) {
		t.Errorf("the worst are %v", worst)
	}
	o.putBack(waiting, "full")
	if late := o.takeBans(time.Now().Add(time.Hour - bans.ShortestSeen/2)); len(late) > 0 {
		t.Errorf("%d bans of half a second, which the agent does not make", len(late))
	}
}

// TestOutboxOneEach: a source that is banned twice at once, the second time because it is proved, has the
// ban that says so, and only that one.
func TestOutboxOneEach(t *testing.T) {
	o := newOutbox()
	for _, b := range []detect.Ban{
		{Addr: netip.MustParseAddr("8.8.8.8"), For: 10 * time.Minute, Reason: "3 wrong passwords in 2 s, not proved"},
		{Addr: netip.MustParseAddr("2a00:1::7"), For: 10 * time.Minute, Proved: true, Reason: "2 wrong passwords in 2 s, proved"},
		{Addr: netip.MustParseAddr("8.8.8.8"), For: 10 * time.Minute, Proved: true, Reason: "3 wrong passwords in 2 s, proved"},
		{Addr: netip.MustParseAddr("2a00:1::8"), For: time.Hour, Reason: "9 wrong passwords in 3 s, not proved"},
	} {
		o.take(b, time.Now())
	}
	var got []string
	for _, b := range o.takeBans(time.Now()) {
		got = append(got, b.Addr.String()+" "+b.Evidence)
	}
	want := []string{"2a00:1::7 2 wrong passwords in 2 s, proved", "8.8.8.8 3 wrong passwords in 2 s, proved"}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
