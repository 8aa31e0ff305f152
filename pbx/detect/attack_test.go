package detect

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/voipbl/voipbl/pbx"
)

// TestAnswered: how many packets of an attacker are answered before it is banned, if a ban is in
// force 20 ms after the observation. What a program does is one letter for each packet: asks,
// answers a challenge wrongly.
func TestAnswered(t *testing.T) {
	for _, rate := range []struct{ perSecond, most int }{{20, 4}, {200, 10}} {
		for _, attackers := range []int{1, 10} {
			for name, program := range map[string]struct {
				packets  string
				accounts int
				more     int // than is wanted; no program that is known does so
			}{
				"one account, each nonce used":                 {"awwwwwwwwwwwwwwww", 1, 0},
				"one account, a challenge for each":            {"awawawawawawawawaw", 1, 0},
				"many accounts, each nonce used":               {"awwwwwwwwwwwwwwww", 20, 0},
				"many accounts, a challenge for each":          {"awawawawawawawawaw", 20, 0},
				"one account, two answers to each challenge":   {"awwawwawwawwaww", 1, 1},
				"many accounts, two answers to each challenge": {"awwawwawwawwaww", 20, 0},
			} {
				for _, seen := range []string{"udp", "tcp", "udp by AMI alone"} {
					w := newWorld(t)
					w.phones(20)
					w.latent = 20 * time.Millisecond
					answered := make([]int, attackers)
					try := 0
					for _, packet := range program.packets {
						o := pbx.Observation{What: pbx.WrongPassword, Proved: seen != "udp by AMI alone", Transport: seen[:3], Method: "REGISTER", Account: fmt.Sprint(7000 + try%program.accounts)}
						if packet == 'a' {
							o.What, o.Proved = pbx.Asked, seen == "tcp"
						}
						for i := range attackers {
							o.Source = netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 5060)
							if w.see(o) {
								answered[i]++
							}
							w.wait(time.Second / time.Duration(rate.perSecond*attackers))
						}
						if packet == 'w' {
							try++
						}
					}
					if n := slices.Max(answered); n > rate.most+program.more || len(w.bans) != attackers {
						t.Errorf("%d of %s at %d a second over %s: %d answered, want %d at most; %d bans", attackers, name, rate.perSecond, seen, n, rate.most+program.more, len(w.bans))
					}
				}
			}
		}
	}
}

// TestSpoofed: nothing that anybody can send gets a friend banned, or takes its trust: of each
// kind of friend, 10,000 packets of each kind.
func TestSpoofed(t *testing.T) {
	shared := netip.MustParseAddrPort("[2001:db8:7::1]:5060")
	friends := map[string]struct {
		from    netip.AddrPort
		prepare func(w *world)
	}{
		"exempt":              {netip.AddrPortFrom(exempt, 5060), func(w *world) {}},
		"a phone":             {port(office, 0), func(w *world) { w.phones(1) }},
		"an office":           {port(office, 99), func(w *world) { w.phones(20) }},
		"a phone that called": {port(office, 0), func(w *world) { w.proved(port(office, 0), pbx.Authenticated, "6000") }},
		"a phone that is off": {port(office, 0), func(w *world) {
			w.phones(1)
			w.proved(port(office, 0), pbx.Unregistered, "6000")
			w.wait(6 * 24 * time.Hour)
		}},
		"a phone of before a restart": {port(office, 0), func(w *world) {
			w.phones(1)
			known := w.d.Phones(w.now)
			w.d = newWorld(w.t).d
			w.d.Restore(w.now, known)
		}},
		"one of many in a network": {netip.AddrPortFrom(shared.Addr().Next(), 9), func(w *world) { w.register(shared, "6000", time.Hour) }},
		"one whose proxy sends one nonce to all": {port(office, 0), func(w *world) {
			w.see(pbx.Observation{Source: port(office, 0), What: pbx.Registered, Account: "6000", Until: w.now.Add(time.Hour)})
		}},
	}
	for name, f := range friends {
		for _, what := range []pbx.What{pbx.WrongPassword, pbx.UnknownAccount, pbx.Refused, pbx.Asked, pbx.Scanned, pbx.Malformed} {
			w := newWorld(t)
			f.prepare(w)
			w.told = nil
			random := rand.New(rand.NewPCG(1, 2))
			for i := range 10_000 {
				w.see(pbx.Observation{Source: f.from, What: what, Account: fmt.Sprint(random.IntN(9000)), Method: "INVITE", Agent: "friendly-scanner", Called: "00972595"})
				// The phone goes on as before.
				if i%1000 == 999 {
					w.register(f.from, "6000", time.Hour)
				}
				w.wait(time.Duration(random.IntN(10)) * time.Millisecond)
			}
			if len(w.bans) > 0 {
				t.Errorf("%s, %s: %v", name, what, w.bans)
			}
			if !slices.ContainsFunc(w.d.Phones(w.now), func(p Phone) bool { return p.Addr == f.from.Addr() && p.Until.After(w.now) }) {
				t.Errorf("%s, %s: not trusted any more: %v", name, what, w.d.Phones(w.now))
			}
		}
	}
}

// TestBotnet: ten thousand addresses that take turns, each once a minute, are all out after twelve guesses
// each, while a phone and an office beside them stay.
func TestBotnet(t *testing.T) {
	w := newWorld(t)
	w.phones(20)
	const size, rounds = 10_000, 12
	for round := range rounds {
		for n := range size {
			w.wrong(nth(n), fmt.Sprint(6000+(n+round)%3))
			w.wait(time.Minute / size)
		}
		w.attempt(port(office, 3), "6003")
	}
	if len(w.bans) != size || slices.ContainsFunc(w.bans, func(b Ban) bool { return !b.Proved || b.Evidence.Failures() > rounds }) {
		t.Errorf("%d bans", len(w.bans))
	}
	if n := len(w.d.Phones(w.now)); n != 20 {
		t.Errorf("%d phones", n)
	}
	w.wait(10 * time.Minute)
	for range 5 {
		for n := range size {
			w.wrong(nth(n), "6001")
		}
		w.wait(time.Minute)
	}
	if long := slices.DeleteFunc(slices.Clone(w.bans), func(b Ban) bool { return b.For < time.Hour }); len(long) != size {
		t.Errorf("%d of them are remembered", len(long))
	}
}

// TestUnprovedBans: how many there are.
func TestUnprovedBans(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		wait time.Duration
		want int
	}{{0, 60}, {time.Second - 1, 0}, {1, 1}, {0, 0}, {time.Hour, 60}, {30 * time.Second, 30}} {
		w.wait(c.wait)
		before := len(w.bans)
		for i := range 100 {
			for range 10 {
				w.what(netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, byte(before), byte(i)}), 5060), pbx.WrongPassword, "")
			}
		}
		if n := len(w.bans) - before; n != c.want {
			t.Errorf("after %s: %d bans, want %d", c.wait, n, c.want)
		}
	}
}

// TestSpoofedStrangers: a flood of invented sources makes 60 bans at once and 60 in a minute, and
// meanwhile those who are really there are banned as if there was none.
func TestSpoofedStrangers(t *testing.T) {
	w := newWorld(t)
	random := rand.New(rand.NewPCG(1, 2))
	proved := 0
	for i := range 120_000 { // two minutes
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(1 + random.IntN(200)), 7, 7, 7}), 5060)
		w.what(from, pbx.WrongPassword, "6001")
		if i%1000 == 0 {
			guesser := netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i / 1000)}), 5060)
			for range 3 {
				w.wrong(guesser, "6001")
			}
			if !w.bans[len(w.bans)-1].Proved {
				t.Fatalf("%s is not banned", guesser)
			}
			proved++
		}
		w.wait(time.Millisecond)
	}
	if n := len(w.bans) - proved; n < 100 || n > 180 || proved != 120 {
		t.Errorf("%d bans for what is not proved, %d for what is", n, proved)
	}
}
