package fleet

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"
)

// benchNow is the hub's time in benchmarks.
const benchNow = 500_000 * time.Hour

// crowd is what many hosts say: each address is said by two of them.
type crowd struct {
	names []Name
	slots [][Slots][]Said
}

// newCrowd returns hosts that say so many bans each.
func newCrowd(hosts, each int) *crowd {
	c := &crowd{}
	for i := range hosts {
		var said []Said
		for j := range each {
			n := uint32(i/2*each + j)
			said = append(said, Said{
				Addr: netip.AddrFrom4([4]byte{45, byte(n >> 16), byte(n >> 8), byte(n)}),
				Age:  time.Duration(j) * time.Second, Left: time.Hour, Why: "fail2ban asterisk",
			})
		}
		c.names = append(c.names, Name(fmt.Sprintf("site%d_pbx", i)))
		c.slots = append(c.slots, Divide(said))
	}
	return c
}

func (c *crowd) take(h *Heard) {
	for i, n := range c.names {
		for slot, said := range c.slots[i] {
			h.Take(n, slot, said, benchNow)
		}
	}
}

// crowds are 100,000 statements of fewer and of more hosts.
var crowds = []struct{ hosts, each int }{{100, 1000}, {1000, 100}, {10_000, 10}}

func (c *crowd) heard() *Heard {
	h := NewHeard()
	c.take(h)
	h.Believed(benchPolicy, benchNow)
	return h
}

var benchPolicy = Policy{Self: "home_pbx1", Trust: []string{"hq"}, Agree: 2, Longest: 24 * time.Hour, PerHost: 2000, Most: 30_000}

// BenchmarkAll takes 100,000 statements and judges them.
func BenchmarkAll(b *testing.B) {
	for _, size := range crowds {
		c := newCrowd(size.hosts, size.each)
		b.Run(fmt.Sprintf("hosts=%d", size.hosts), func(b *testing.B) {
			b.ReportAllocs()
			var took, judged time.Duration
			for b.Loop() {
				start := time.Now()
				h := NewHeard()
				c.take(h)
				taken := time.Now()
				if n := len(h.Believed(benchPolicy, benchNow)); n != benchPolicy.Most {
					b.Fatalf("%d count", n)
				}
				took, judged = took+taken.Sub(start), judged+time.Since(taken)
			}
			b.ReportMetric(float64(took.Milliseconds())/float64(b.N), "take-ms")
			b.ReportMetric(float64(judged.Milliseconds())/float64(b.N), "judge-ms")
		})
	}
}

// BenchmarkChange takes a message that names one more ban or one less, and judges what that changes.
func BenchmarkChange(b *testing.B) {
	for _, size := range crowds {
		c := newCrowd(size.hosts, size.each)
		h := c.heard()
		slot := 0
		for len(c.slots[7][slot]) == 0 {
			slot++
		}
		said := c.slots[7][slot]
		b.Run(fmt.Sprintf("hosts=%d", size.hosts), func(b *testing.B) {
			b.ReportAllocs()
			less := 0
			for b.Loop() {
				less = 1 - less
				h.Take(c.names[7], slot, said[less:], benchNow)
				changed, all := h.Changed(noon)
				if all || len(changed) != 1 {
					b.Fatalf("%d changed, all: %v", len(changed), all)
				}
				if _, counts := h.Judge(benchPolicy, changed[0], benchNow); counts != (less == 0) {
					b.Fatal("what is not said by two counts")
				}
			}
		})
	}
}

// BenchmarkMemory reports how much memory a statement takes.
func BenchmarkMemory(b *testing.B) {
	for _, size := range crowds {
		c := newCrowd(size.hosts, size.each)
		b.Run(fmt.Sprintf("hosts=%d", size.hosts), func(b *testing.B) {
			for b.Loop() {
				before := inUse()
				h := c.heard()
				b.ReportMetric(float64(inUse()-before)/float64(size.hosts*size.each), "B/statement")
				runtime.KeepAlive(h)
			}
		})
	}
	runtime.KeepAlive(crowds)
}

func inUse() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// BenchmarkDecode decodes the messages of 100,000 statements.
func BenchmarkDecode(b *testing.B) {
	var texts [Slots][]byte
	for slot, said := range newCrowd(1, 1000).slots[0] {
		texts[slot], _ = Encode("boot", said, 0)
	}
	for b.Loop() {
		for range 100 {
			for slot, text := range texts {
				if m, err := Decode(slot, text); m.Odd > 0 || err != nil {
					b.Fatal(m.Odd, err)
				}
			}
		}
	}
}
