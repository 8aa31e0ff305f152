package bans

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fleet/link"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testvalue"
)

// BenchmarkOfFleet measures what a running agent does for a request of the fleet's process: one ban, and as
// many as a request may have, with no bans and with as many of the fleet as there may be by default.
func BenchmarkOfFleet(b *testing.B) {
	for _, held := range []int{0, 20_000} {
		for _, n := range []int{1, link.MostInRequest} {
			b.Run(fmt.Sprintf("%d more than %d", n, held), func(b *testing.B) { benchFleet(b, held, n) })
		}
	}
}

func benchFleet(b *testing.B, held, n int) {
	testns.Enter(b)
	dir := b.TempDir()
	cfg := testvalue.Config(b, fmt.Sprintf("state_dir: %[1]s/state\nrun_dir: %[1]s/run\nfeeds: [{name: a, path: /x}]\nfleet: {%s, most: 30000}\n", dir, inFleet))
	s := NewServer(func() config.Config { return cfg }, &Book{Cfg: cfg})
	defer s.disconnect()
	ask := func(asked link.Others) {
		some := fleetBans{asked: asked}
		answers, err := s.answers(b.Context(), []banAsk{{admit: some.admit}})
		if err != nil || answers[0].Kernel != nil || answers[0].Unkept != nil || len(some.refused) > 0 || some.err != nil {
			b.Fatalf("%v: %+v, %v, %v", err, answers, some.refused, some.err)
		}
	}
	from := 0
	some := func(n int) (r link.Others) {
		for range n {
			addr := netip.AddrFrom4([4]byte{byte(20 + from>>16), byte(from >> 8), byte(from), 7})
			from++
			r.Add = append(r.Add, link.Ban{Addr: addr, Age: time.Minute, Left: time.Hour, Why: "fail2ban asterisk", By: []string{"acme_pbx7", "zeta_pbx1"}})
		}
		return r
	}
	for held > 0 {
		ask(some(min(held, link.MostInRequest)))
		held -= link.MostInRequest
	}
	var cpu time.Duration
	for b.Loop() {
		r := some(n)
		before := cpuTime(b)
		ask(r)
		cpu += cpuTime(b) - before
		b.StopTimer()
		var gone link.Others
		for _, ban := range r.Add {
			gone.Remove = append(gone.Remove, ban.Addr)
		}
		ask(gone)
		b.StartTimer()
	}
	b.ReportMetric(float64(cpu.Microseconds())/float64(b.N)/1000, "ms-cpu")
}
