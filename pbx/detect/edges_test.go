package detect

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/voipbl/voipbl/pbx"
)

// burst is three wrong passwords of a moment.
func (w *world) burst(from netip.AddrPort) {
	for range 3 {
		w.wrong(from, "6001")
	}
}

// TestEdges: what happens just before a time is over, and just after.
func TestEdges(t *testing.T) {
	const day = 24 * time.Hour
	wrongsOf := func(account string) func(w *world) {
		return func(w *world) {
			w.wrong(attacker, account)
			w.wrong(attacker, account)
		}
	}
	noop := func(w *world) {}
	for name, c := range map[string]struct {
		before   func(w *world)
		edge     time.Duration
		between  func(w *world)
		after    func(w *world)
		just, at string // what is told last, just before the edge, and at it
	}{
		"packets in flight": {
			before: func(w *world) { w.burst(attacker); clear(w.banned) }, edge: inFlight, after: func(w *world) { w.burst(attacker) },
			just: "0 s: ban 203.0.113.66 for 10 min: 3 wrong passwords in 1 s, proved", at: "5 s: ban 203.0.113.66 for 10 min: 2 wrong passwords in 1 s, proved",
		},
		"packets in flight, not proved": {
			before: func(w *world) {
				for range 3 {
					w.what(attacker, pbx.WrongPassword, "")
				}
				clear(w.banned)
			}, edge: inFlight, after: func(w *world) {
				for range 3 {
					w.what(attacker, pbx.WrongPassword, "")
				}
			},
			just: "0 s: ban 203.0.113.66 for 10 min: 3 wrong passwords in 1 s, not proved", at: "5 s: ban 203.0.113.66 for 10 min: 6 wrong passwords in 5 s, not proved",
		},
		"the next ban is longer": {
			before: func(w *world) { w.burst(attacker); clear(w.banned) }, edge: 10 * time.Minute, after: wrongsOf("6001"),
			just: "10 min: ban 203.0.113.66 for 10 min: 2 wrong passwords in 1 s, proved", at: "10 min: ban 203.0.113.66 for 1 h: 2 wrong passwords in 1 s, proved",
		},
		"a ban is forgotten": {
			before: func(w *world) { w.burst(attacker) }, edge: 10*time.Minute + 14*day + 1, after: wrongsOf("6001"),
			just: "14 d: ban 203.0.113.66 for 1 h: 2 wrong passwords in 1 s, proved", at: "0 s: ban 203.0.113.66 for 10 min: 3 wrong passwords in 1 s, proved",
		},
		"after which it begins anew": {
			before: func(w *world) { w.burst(attacker) }, edge: 10*time.Minute + 14*day + 1, after: func(w *world) { w.burst(attacker) },
			just: "14 d: ban 203.0.113.66 for 1 h: 2 wrong passwords in 1 s, proved", at: "14 d: ban 203.0.113.66 for 10 min: 3 wrong passwords in 1 s, proved",
		},
		"a friend is told again": {
			before: func(w *world) { w.burst(netip.AddrPortFrom(exempt, 1)) }, edge: day, after: func(w *world) { w.burst(netip.AddrPortFrom(exempt, 1)) },
			just: "0 s: 192.0.2.9 is not banned, but others would be for what it does: 3 wrong passwords in 1 s",
			at:   "1 d: 192.0.2.9 is not banned, but others would be for what it does: 3 wrong passwords in 1 s",
		},
		"one account twice within two seconds, with a challenge between": {
			before: func(w *world) { w.wrong(attacker, "6001"); w.what(attacker, pbx.Asked, "6001") }, edge: soon, after: func(w *world) { w.wrong(attacker, "6001") },
			just: "2 s: ban 203.0.113.66 for 10 min: 2 wrong passwords in 2 s, proved",
		},
		"one account twice, with a challenge for another between": {
			before: func(w *world) { w.wrong(attacker, "6001"); w.what(attacker, pbx.Asked, "6002") }, edge: time.Second, after: func(w *world) { w.wrong(attacker, "6001") },
		},
		"one account twice, with a challenge for another method between": {
			before: func(w *world) {
				w.wrong(attacker, "6001")
				w.see(pbx.Observation{Source: attacker, What: pbx.Asked, Account: "6001", Method: "SUBSCRIBE"})
			}, edge: time.Second, after: func(w *world) { w.wrong(attacker, "6001") },
		},
		"one account twice, with something else between": {
			before: func(w *world) { w.wrong(attacker, "6001"); w.what(attacker, pbx.Scanned, "6001") }, edge: time.Second, after: func(w *world) { w.wrong(attacker, "6001") },
		},
		"two accounts from one port": {
			before: func(w *world) { w.wrong(attacker, "6001") }, edge: soon, after: func(w *world) { w.wrong(attacker, "6002") },
			just: "2 s: ban 203.0.113.66 for 10 min: 2 wrong passwords for 2 accounts in 2 s, proved",
		},
		"an unknown account, and another's wrong password from one port": {
			before: func(w *world) { w.proved(attacker, pbx.UnknownAccount, "6001") }, edge: time.Second, after: func(w *world) { w.wrong(attacker, "6002") },
		},
		"a wrong password, and another account that is unknown": {
			before: func(w *world) { w.wrong(attacker, "6001") }, edge: time.Second, after: func(w *world) { w.proved(attacker, pbx.UnknownAccount, "6002") },
		},
		"a wrong password of one moment over TCP": {
			before: func(w *world) {
				for range 2 {
					w.see(pbx.Observation{Source: attacker, What: pbx.WrongPassword, Account: "6001", Proved: true, Transport: "tls"})
					w.see(pbx.Observation{Source: attacker, What: pbx.WrongPassword, Account: "6001", Proved: true, Transport: "tls"})
					w.see(pbx.Observation{Source: port(attacker.Addr(), 1), What: pbx.WrongPassword, Account: "6001", Proved: true, Transport: "tls"})
				}
				w.wait(time.Hour)
			}, edge: 1, after: func(w *world) {},
			just: "0 s: ban 203.0.113.66 for 10 min: 3 wrong passwords in 1 s, proved", at: "0 s: ban 203.0.113.66 for 10 min: 3 wrong passwords in 1 s, proved",
		},
		"a wrong password of one moment over TCP, and of the next": {
			before: func(w *world) {
				w.wrong(port(attacker.Addr(), 1), "6001")
				w.see(pbx.Observation{Source: attacker, What: pbx.WrongPassword, Account: "6001", Proved: true, Transport: "tls"})
			}, edge: twice, after: func(w *world) {
				w.see(pbx.Observation{Source: attacker, What: pbx.WrongPassword, Account: "6001", Proved: true, Transport: "tls"})
			},
			at: "0 s: ban 203.0.113.66 for 10 min: 3 wrong passwords in 1 s, proved",
		},
		"an account was tried more than a day ago": {
			before: func(w *world) {
				w.wrong(attacker, "1")
				w.wait(time.Hour)
				w.wrong(attacker, "2")
				w.wrong(attacker, "2")
				w.wait(time.Hour)
				w.wrong(port(attacker.Addr(), 1), "3")
			},
			edge: 22 * time.Hour, after: func(w *world) { w.wrong(attacker, "4") },
			just: "24 h: ban 203.0.113.66 for 10 min: 5 wrong passwords for 4 accounts in 1 d, proved",
		},
		"four refusals of a moment": {
			before: noop, edge: 1, after: func(w *world) {
				for range 4 {
					w.proved(attacker, pbx.Refused, "6001")
				}
			},
		},
		"five refusals of a moment": {
			before: noop, edge: 1, after: func(w *world) {
				for range 5 {
					w.proved(attacker, pbx.Refused, "6001")
				}
			},
			just: "0 s: ban 203.0.113.66 for 10 min: 5 refusals in 1 s, proved", at: "0 s: ban 203.0.113.66 for 10 min: 5 refusals in 1 s, proved",
		},
		"refusals of long ago": {
			before: func(w *world) {
				for range 4 {
					w.proved(attacker, pbx.Refused, "6001")
				}
			}, edge: 20*time.Second + 1, after: func(w *world) {
				for range 5 {
					w.proved(attacker, pbx.Refused, "6001")
				}
			},
			just: "20 s: ban 203.0.113.66 for 10 min: 5 refusals in 1 s, proved", at: "20 s: ban 203.0.113.66 for 10 min: 5 refusals in 1 s, proved",
		},
		"networks of an account are those of a day": {
			before: func(w *world) {
				for i := range 3 {
					w.register(port(netip.AddrFrom4([4]byte{byte(i + 11), 1, 1, 1}), 0), "6001", time.Hour)
				}
			},
			edge: day, after: func(w *world) { w.register(port(office, 0), "6001", time.Hour) },
			just: "24 h: account 6001 has proved its password from 4 networks in a day, the last time from 198.51.100.7: is it stolen?",
			at:   "1 d: phone 6001 is at 198.51.100.7",
		},
		"an account in many networks is told again": {
			before: func(w *world) {
				for i := range 4 {
					w.register(port(netip.AddrFrom4([4]byte{byte(i + 11), 1, 1, 1}), 0), "6001", 0)
				}
			},
			edge: day, between: func(w *world) {
				for i := range 4 {
					w.register(port(netip.AddrFrom4([4]byte{byte(i + 11), 1, 1, 1}), 0), "6001", 0)
				}
			},
			after: func(w *world) { w.register(port(office, 0), "6001", 0) },
			just:  "0 s: account 6001 has proved its password from 4 networks in a day, the last time from 14.1.1.1: is it stolen?",
			at:    "1 d: account 6001 has proved its password from 5 networks in a day, the last time from 198.51.100.7: is it stolen?",
		},
		"a phone with a wrong password is told again": {
			before: func(w *world) {
				w.phones(1)
				for len(w.told) == 0 {
					w.wait(5 * time.Second)
					w.wrong(port(office, 0), "6000")
				}
			},
			edge: day, between: func(w *world) {
				for range 200 {
					w.wait(5 * time.Second)
					w.wrong(port(office, 0), "6000")
				}
			},
			after: func(w *world) { w.wrong(port(office, 0), "6000") },
			just:  "8 min: 101 wrong passwords in 8 min from 198.51.100.7, where 1 account is right; the last one for account 6000",
			at:    "1 d: 302 wrong passwords in 1 d from 198.51.100.7, where 1 account is right; the last one for account 6000",
		},
	} {
		for _, before := range []bool{true, false} {
			w := newWorld(t)
			c.before(w)
			wait, want := c.edge, c.at
			if before {
				wait, want = c.edge-1, c.just
			}
			edge := w.now.Add(wait)
			if c.between != nil {
				w.wait(wait / 2)
				c.between(w)
			}
			w.now = edge
			c.after(w)
			got := ""
			if len(w.told) > 0 {
				got = w.told[len(w.told)-1]
			}
			if got != want {
				t.Errorf("%s, just before %v: %q, want %q", name, before, got, want)
			}
		}
	}
}

// TestWhen: an observation without a time, or of the future, is of now.
func TestWhen(t *testing.T) {
	for name, at := range map[string]time.Time{"none": {}, "future": t0.Add(2 * time.Hour), "now": t0.Add(time.Hour)} {
		w := newWorld(t)
		w.d.See(w.now, pbx.Observation{})
		w.wait(time.Hour)
		w.wrong(attacker, "6001")
		var got []Verdict
		for range 2 {
			got = w.d.See(w.now, pbx.Observation{At: at, Source: attacker, What: pbx.WrongPassword, Account: "6001", Proved: true, Transport: "udp"})
		}
		if s := fmt.Sprint(got); s != "[ban 203.0.113.66 for 10 min: 3 wrong passwords in 1 s, proved]" {
			t.Errorf("%s: %s", name, s)
		}
	}
}

func TestPhonesThatAreKnown(t *testing.T) {
	w := newWorld(t)
	list := func() (lines []string) {
		for _, p := range w.d.Phones(w.now) {
			proved := ""
			if p.Proved {
				proved = ", proved"
			}
			lines = append(lines, fmt.Sprintf("%s %s %s from %s to %s%s", p.Addr, p.Account, p.Transport, p.Since.Sub(t0), p.Until.Sub(t0), proved))
		}
		return lines
	}
	check := func(when string, want ...string) {
		t.Helper()
		if got := list(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	check("at first")
	w.see(pbx.Observation{Source: port(office, 0), What: pbx.Registered, Account: "6000", Until: w.now.Add(2 * time.Minute), Transport: "tls", Proved: true})
	w.wait(time.Minute)
	w.see(pbx.Observation{Source: port(office, 1), What: pbx.Authenticated, Account: "6000"})
	w.see(pbx.Observation{Source: netip.MustParseAddrPort("[2001:db8::1]:5"), What: pbx.Registered, Account: "6001", Until: w.now.Add(25 * time.Hour)})
	w.see(pbx.Observation{Source: netip.MustParseAddrPort("[2001:db8::2]:5"), What: pbx.Registered, Account: "6001", Until: w.now.Add(-time.Hour), Proved: true})
	w.see(pbx.Observation{Source: port(office, 1), What: pbx.Registered, Account: "6002", Transport: "wss", Proved: true})
	w.see(pbx.Observation{Source: port(office, 1), What: pbx.Registered, Account: "", Until: w.now.Add(time.Hour)})
	known := []string{
		"198.51.100.7 6000 udp from 0s to 1h1m0s, proved",
		"198.51.100.7 6002 wss from 1m0s to 1h1m0s, proved",
		"2001:db8::1 6001 udp from 1m0s to 24h1m0s",
		"2001:db8::2 6001 udp from 1m0s to 1m0s, proved",
	}
	check("all", known...)

	w.wait(30 * time.Second)
	w.see(pbx.Observation{Source: netip.MustParseAddrPort("[2001:db8::1]:5"), What: pbx.Registered, Account: "6001", Until: w.now.Add(time.Minute), Proved: true})
	w.see(pbx.Observation{Source: netip.MustParseAddrPort("[2001:db8::2]:5"), What: pbx.Unregistered, Account: "6001", Until: w.now.Add(time.Minute)})
	known[2], known[3] = "2001:db8::1 6001 udp from 1m0s to 2m30s, proved", "2001:db8::2 6001 udp from 1m0s to 1m30s, proved"
	check("again", known...)

	// A restart.
	before := w.d.Phones(w.now)
	before = append(before, Phone{}, Phone{Addr: office}, Phone{Account: "x", Until: w.now.Add(time.Hour)},
		Phone{Addr: netip.MustParseAddr("127.0.0.1"), Account: "x", Until: w.now}, Phone{Addr: exempt, Account: "x", Until: w.now.Add(-7 * 24 * time.Hour)},
		Phone{Addr: exempt, Account: "y", Until: w.now.Add(-7*24*time.Hour + time.Second), Since: w.now.Add(time.Hour)},
		Phone{Addr: exempt, Account: "z", Transport: "sctp", Until: w.now.Add(48 * time.Hour), Since: w.now.Add(-30 * 24 * time.Hour)})
	w.d = newWorld(t).d
	w.d.Restore(w.now, before)
	check("after a restart", slices.Concat([]string{
		"192.0.2.9 y udp from -167h58m29s to -167h58m29s", "192.0.2.9 z udp from -167h58m30s to 24h1m30s",
	}, known)...)
	w.wait(time.Second)
	w.d.See(w.now, pbx.Observation{})
	w.wait(time.Minute)
	check("y is forgotten", slices.Concat([]string{"192.0.2.9 z udp from -167h58m30s to 24h1m30s"}, known)...)

	// From when they were right last.
	w.wait(7*24*time.Hour - time.Minute - time.Second - 1)
	w.d.swept = 0
	check("six days later", slices.Concat([]string{"192.0.2.9 z udp from -167h58m30s to 24h1m30s"}, known)...)
	w.wait(1)
	w.d.swept = 0
	check("seven days later")
	if len(w.d.phones.here.first)+len(w.d.phones.same.first)+len(w.d.phones.places) != 0 {
		t.Error("something is left")
	}
}

func TestWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Second: "1 s", 1499 * time.Millisecond: "1 s", 1500 * time.Millisecond: "2 s", 59 * time.Second: "59 s", time.Minute: "1 min", 89 * time.Second: "1 min", 90 * time.Second: "2 min",
		time.Hour: "1 h", 23 * time.Hour: "23 h", 24 * time.Hour: "1 d", 14 * 24 * time.Hour: "14 d",
	} {
		if got := short(d); got != want {
			t.Errorf("%s: %s", d, got)
		}
	}
	for want, v := range map[string]fmt.Stringer{
		"no more trust in 2001:db8::/64: why":        Untrust{Network: netip.MustParsePrefix("2001:db8::/64"), Why: "why"},
		"no more trust in 192.0.2.9: why":            Untrust{Network: netip.MustParsePrefix("192.0.2.9/32"), Why: "why"},
		"1 refusal in 1 s":                           Evidence{Counts: map[pbx.What]int{pbx.Refused: 1}, Accounts: 1},
		"2 wrong passwords, 1 refusal in 2 min":      Evidence{Counts: map[pbx.What]int{pbx.Refused: 1, pbx.WrongPassword: 2, pbx.Malformed: 8}, In: 2 * time.Minute},
		"1 challenged request, 2 scans in 1 s":       Evidence{Counts: map[pbx.What]int{pbx.Scanned: 2, pbx.Asked: 1}},
		"3 unreadable packets for 2 accounts in 1 s": Evidence{Counts: map[pbx.What]int{pbx.Malformed: 3}, Accounts: 2},
	} {
		if got := v.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	var full tally
	for range 1 << 17 {
		full.add(pbx.WrongPassword, 5)
	}
	full.add(pbx.Refused, 3)
	full.add(pbx.Refused, moment(time.Minute)+3)
	if e := full.evidence(3); e.Counts[pbx.WrongPassword] != 1<<16-1 || e.Counts[pbx.Refused] != 2 || len(e.Counts) != 2 || e.In != time.Minute || e.Accounts != 3 {
		t.Errorf("%+v", e)
	}
}
