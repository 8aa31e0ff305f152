package hep

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/pbx"
)

// flood has requests from as many sources and accounts, each challenged.
func flood(l *line, n int) {
	for i := range n {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{100, byte(i >> 16), byte(i >> 8), byte(i)}), 5060)
		r := ask1("REGISTER", fmt.Sprint(i))
		l.asks(from, r)
		l.answers(from, 401, r, challenge(fmt.Sprint("flood", i)))
		l.saw = l.saw[:0]
	}
}

// TestFlood: packets with invented sources cost a bounded amount of memory, and do not make forgotten
// who has returned a nonce, or returns it within a thousand others.
func TestFlood(t *testing.T) {
	l := newLine()
	call := ask1("INVITE", "6001")
	l.logsIn(phone, call, 100) // it rings
	l.asks(attacker, ask1("REGISTER", "6002"))
	l.answers(attacker, 401, ask1("REGISTER", "6002"), challenge("mine"))
	flood(l, 1000)
	l.saw = nil
	guess := ask1("REGISTER", "6002").with("mine")
	l.asks(attacker, guess)
	l.answers(attacker, 401, guess, challenge("next"))
	flood(l, 100_000)
	call.cseq++
	l.answers(phone, 200, call)
	again := guess.with("mine")
	l.asks(attacker, again)
	l.answers(attacker, 401, again, challenge("next"))
	var got []string
	for _, o := range l.saw {
		got = append(got, as(o))
	}
	if diff := cmp.Diff([]string{
		"198.51.100.5:5062 authenticated 6001 by INVITE, proved",
		"203.0.113.66:5060 wrong password 6002 by REGISTER, proved",
	}, got); diff != "" {
		t.Error(diff)
	}
	for name, n := range map[string][2]int{
		"sent":       {l.tracker.nonces.sent.Len(), maxSent},
		"challenges": {l.tracker.nonces.challenges.Len(), maxSent},
		"returned":   {l.tracker.nonces.returned.Len(), maxReturned},
		"answered":   {l.tracker.nonces.answered.Len(), maxReturned},
		"unproved":   {l.tracker.unproved.Len(), maxUnproved},
		"proved":     {l.tracker.proved.Len(), maxProved},
	} {
		if n[0] > n[1] {
			t.Errorf("%s has %d entries, at most %d may be", name, n[0], n[1])
		}
	}

	if n := testvalue.Allocated(1, func() { flood(l, 20_000) }); n > 20_000*2*6<<10 {
		t.Errorf("%d bytes for 40,000 packets", n)
	}
}

// TestSpoofer tries to make a phone the author of a wrong password, with all that needs no answer.
// The phone registers beside it.
func TestSpoofer(t *testing.T) {
	l := newLine()
	proved := 0
	for i := range 10_000 {
		r := ask1("REGISTER", "6001")
		r.call = fmt.Sprint("spoofed", i)
		guess := r.with(fmt.Sprint("guess", i))
		l.asks(phone, r) // from the attacker, as is each request from here on
		l.answers(phone, 401, r, challenge(fmt.Sprint("secret", i)))
		l.moves(phone, thePBX, r.answer(401, challenge(fmt.Sprint("guess", i))))
		l.moves(thePBX, thePBX, r.answer(401, challenge(fmt.Sprint("guess", i))))
		l.asks(phone, guess)
		l.answers(phone, 401, guess, challenge(fmt.Sprint("next", i)))
		if i%100 == 0 {
			mine := ask1("REGISTER", "6001")
			mine.call = fmt.Sprint("mine", i)
			l.logsIn(phone, mine, 200)
		}
	}
	for _, o := range l.saw {
		if o.What == pbx.WrongPassword && o.Proved {
			t.Fatalf("the phone is taken for an attacker: %+v", o)
		}
		if o.What == pbx.Registered {
			proved++
		}
	}
	if proved != 100 {
		t.Errorf("the phone has registered %d times", proved)
	}
}

// FuzzTracker: whatever a stranger sends over UDP, to a PBX that challenges it, does not prove an
// address to which no nonce was sent.
func FuzzTracker(f *testing.F) {
	f.Add([]byte(ask1("REGISTER", "6001").text()), []byte(ask1("REGISTER", "6001").with("known").text()))
	f.Add([]byte(ask1("REGISTER", "6001").answer(401, challenge("known"))), []byte("garbage"))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		l := newLine()
		for _, b := range [][]byte{one, two, one} {
			l.moves(attacker, thePBX, string(b))
			l.answers(attacker, 401, ask1("REGISTER", "6001"), challenge("secret"))
			l.moves(phone, thePBX, string(b))
			l.answers(phone, 401, ask1("REGISTER", "6001"))
		}
		for _, o := range l.saw {
			if o.Source.Addr() == phone.Addr() && o.Proved && !strings.Contains(string(one)+string(two), "secret") {
				t.Fatalf("%+v", o)
			}
		}
	})
}

func BenchmarkTracker(b *testing.B) {
	l := newLine()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{100, byte(i >> 16), byte(i >> 8), byte(i)}), 5060)
		i++
		l.logsIn(from, ask1("REGISTER", "6001"), 401)
		l.saw = l.saw[:0]
	}
}
