package main

import (
	"net"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testfault"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/internal/testskip"
)

// TestScrapedStartsNothing: an agent that is scraped sees what the rules count, and starts no tool for
// it while nobody changes a rule.
func TestScrapedStartsNothing(t *testing.T) {
	testskip.UnlessRoot(t)
	h := newFaultHost(t, faultVerb{name: "run", config: "moved"})
	cmd, _ := h.startUnder(testfault.Fault{})
	r := &host{t: t}
	listening := func() bool {
		conn, err := net.DialTimeout("tcp", metricsAt, time.Second)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}
	dropped := func() float64 {
		return metricsOf(r.askMetrics())[`voipbl_dropped_packets_total{set="voip_bl"}`]
	}
	if !testpoll.Until(time.Minute, func() bool { return listening() && h.kernel().drops() }) {
		t.Fatal("the agent does not serve metrics")
	}
	h.do("ipset add voip_bl 6.6.6.9 -exist")
	dropped() // the rules are listed
	before := cmd.Calls(testfault.Exec) + cmd.Calls(testfault.Fork)
	for range 2 {
		was := dropped()
		r.knockFrom("6.6.6.9")
		if !testpoll.Until(time.Minute, func() bool { return dropped() > was }) {
			t.Fatal("a dropped packet is never seen")
		}
	}
	if now := cmd.Calls(testfault.Exec) + cmd.Calls(testfault.Fork); now != before {
		t.Errorf("%d processes were started", now-before)
	}
}
