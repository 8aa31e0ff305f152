package detect

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/pbx"
)

// nth returns addresses that are sources of their own, IPv4 and IPv6 in turn, each in a network /48 of
// its own.
func nth(n int) netip.AddrPort {
	var b [16]byte
	b[0], b[1] = 0x2a, 0x01
	binary.BigEndian.PutUint32(b[2:], uint32(n))
	a := netip.AddrFrom16(b)
	if n%2 == 0 {
		a = netip.AddrFrom4([4]byte{byte(1 + n>>24), byte(n >> 16), byte(n >> 8), byte(n)})
	}
	return netip.AddrPortFrom(a, uint16(n))
}

// observed are the n-th observations of floods. Each comes from another source, and names another
// account.
var observed = map[string]func(n int) pbx.Observation{
	"forged failures": func(n int) pbx.Observation {
		return pbx.Observation{Source: nth(n), Transport: "udp", What: pbx.WrongPassword, Account: fmt.Sprint(n), Agent: "x"}
	},
	"forged requests": func(n int) pbx.Observation {
		return pbx.Observation{Source: nth(n), Transport: "udp", What: pbx.Asked, Account: fmt.Sprint(n)}
	},
	"proved failures": func(n int) pbx.Observation {
		return pbx.Observation{Source: nth(n), Transport: "tcp", What: pbx.WrongPassword, Proved: true, Account: fmt.Sprint(n)}
	},
	"proved traps": func(n int) pbx.Observation {
		return pbx.Observation{Source: nth(n), Transport: "tcp", What: pbx.Scanned, Proved: true, Agent: "sipvicious"}
	},
	"right passwords": func(n int) pbx.Observation {
		return pbx.Observation{Source: nth(n), Transport: "udp", What: pbx.Authenticated, Proved: true, Account: fmt.Sprint(n / 2)}
	},
	"wrong ones beside these": func(n int) pbx.Observation {
		return pbx.Observation{Source: nth(n), Transport: "udp", What: pbx.WrongPassword, Proved: true, Account: fmt.Sprint(-n)}
	},
}

// TestBounded: floods from many sources, of each kind one after the other, fill all tables; then 8 MB
// are in use at most, of which 2 MB are for what is forged, and another flood allocates nearly nothing.
func TestBounded(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	w := newWorld(t)
	see := func(kind string, from, to int) {
		for n := from; n < to; n++ {
			o := observed[kind](n)
			w.now = w.now.Add(100 * time.Microsecond)
			o.At = w.now
			w.d.See(w.now, o)
		}
	}
	see("forged failures", 0, 100_000)
	see("forged requests", 0, 100_000)
	forged := heap() - before
	see("proved traps", 0, 20_000)
	see("proved failures", 100_000, 120_000)
	see("right passwords", 20_000, 20_000+pbx.MostPhones+1000)
	see("wrong ones beside these", 20_000, 20_000+pbx.MostPhones+1000)
	used := heap() - before
	d := w.d
	for name, n := range map[string][2]int{
		"unproved": {len(d.unproved.places), maxUnproved}, "rates": {len(d.rates.places), maxRates}, "proved": {len(d.proved.places), maxProved},
		"past": {len(d.past.places), maxPast}, "networks": {len(d.networks.places), maxNetworks}, "phones": {len(d.phones.places), pbx.MostPhones}, "in Phones": {len(d.Phones(w.now)), pbx.MostPhones},
	} {
		if n[0] != n[1] {
			t.Errorf("%s: %d, want %d", name, n[0], n[1])
		}
	}
	t.Logf("%d KB, %d KB of these for what is forged", used>>10, forged>>10)
	if used > 8<<20 || forged > 2<<20 {
		t.Errorf("%d bytes, %d for what is forged", used, forged)
	}
	for kind, most := range map[string]int{"forged failures": 100, "forged requests": 100, "proved failures": 100, "proved traps": 800} {
		next := 2_000_000
		// The tests' own texts are among these bytes, and the race detector's.
		bytes := testvalue.Allocated(3, func() {
			see(kind, next, next+10_000)
			next += 10_000
		})
		if bytes > 10_000*most {
			t.Errorf("%s: %d bytes each, want %d at most", kind, bytes/10_000, most)
		}
	}
	runtime.KeepAlive(w)
}

// TestKeptApart: a flood of invented sources makes nothing forgotten of those that are proved, and a
// flood of proved ones forgets no ban.
func TestKeptApart(t *testing.T) {
	w := newWorld(t)
	w.phones(3)
	w.wrong(attacker, "6001")
	for range 2 {
		w.attempt(netip.MustParseAddrPort("203.0.113.1:5060"), "6001")
	}
	w.wait(11 * time.Minute)
	flood := func(kind string) {
		for n := range 20_000 {
			o := observed[kind](n)
			o.At = w.now
			w.d.See(w.now, o)
		}
	}
	flood("forged failures")
	w.wrong(attacker, "6002")
	w.wait(10 * time.Minute)
	w.wrong(attacker, "6003")
	w.wrong(attacker, "6004")
	w.wait(10 * time.Minute)
	flood("proved failures")
	for range 2 {
		w.attempt(netip.MustParseAddrPort("203.0.113.1:5060"), "6001")
	}
	if got, want := w.text(), "0 s: ban 203.0.113.1 for 10 min: 2 wrong passwords in 1 s, proved\n"+
		"21 min: ban 203.0.113.66 for 10 min: 4 wrong passwords for 4 accounts in 21 min, proved\n"+
		"31 min: ban 203.0.113.1 for 1 h: 2 wrong passwords in 1 s, proved"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if n := len(w.d.Phones(w.now)); n != 3 {
		t.Errorf("%d phones", n)
	}
}

func BenchmarkSee(b *testing.B) {
	for kind, make := range observed {
		b.Run(kind, func(b *testing.B) {
			w := newWorld(b)
			all := []pbx.Observation{}
			for n := range 1_000_000 {
				all = append(all, make(n))
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				w.now = w.now.Add(100 * time.Microsecond)
				o := all[i%len(all)]
				o.At = w.now
				w.d.See(w.now, o)
			}
		})
	}
}
