package main

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/internal/testskip"
)

// TestScrapedStartsNothing: an agent that is scraped sees what the rules count, and starts no tool for
// it while nobody changes a rule. It asks the kernel for no set's entries, and opens little: what the
// many scrapes of this test take is counted.
func TestScrapedStartsNothing(t *testing.T) {
	testskip.UnlessRoot(t)
	t.Parallel()
	const entries, studied = 90_000, 2 * time.Minute // with so many the agent itself reads them every 2 minutes
	h := newFaultHost(t, faultVerb{name: "run", config: "moved"})
	h.offer("5.5.5.5\n", manyAddresses(entries)+"6.6.6.9\n")
	cmd, _ := h.startCounted("moved")
	r := &host{t: t}
	listening := func() bool {
		conn, err := net.DialTimeout("tcp", metricsAt, time.Second)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}
	scrapes := 0
	dropped := func() float64 {
		scrapes++
		return metricsOf(r.askMetrics())[`voipbl_dropped_packets_total{set="voip_bl"}`]
	}
	inForce := func() bool {
		return exec.Command("ipset", "test", "voip_bl", "6.6.6.9").Run() == nil && metricsOf(r.askMetrics())["voipbl_protected"] == 1
	}
	if !testpoll.Until(time.Minute, func() bool { return listening() && inForce() }) {
		t.Fatal("the agent does not protect, or not say so")
	}
	dropped() // the rules are listed
	begin, before := time.Now(), callsOf(cmd)
	asked, _, _ := cmd.Asked("voip_bl")
	for range 2 {
		was := dropped()
		r.knockFrom("6.6.6.9")
		if !testpoll.Until(time.Minute, func() bool { return dropped() > was }) {
			t.Fatal("a dropped packet is never seen")
		}
	}
	for range 200 {
		dropped()
	}
	took := time.Since(begin)
	looks, checks := 1+int(took/(14*time.Second)), 1+int(took/(9*time.Second)) // of the metrics and the loop, at most
	t.Logf("%d scrapes in %s, %v: %v to %v", scrapes, took, callsGuarded, before, callsOf(cmd))
	// Each scrape, by a connection of its own, opens some files of /proc. No socket is opened,
	// but one of a kind if for the first time two ask the kernel at once.
	callLimits{6*scrapes + 80*looks + 20*checks + 200, 0, 0, 0, 3, 65*looks + 10*checks, 190*looks + 20*checks, 0, 0, 0}.hold(t, "scraped", cmd, before)
	if now, _, _ := cmd.Asked("voip_bl"); now-asked > 1+int(took/studied) {
		t.Errorf("a set's entries were asked for %d times", now-asked)
	}
}

// manyAddresses returns n addresses of which no two can be joined.
func manyAddresses(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "11.%d.%d.%d\n", i>>15, i>>7&255, i<<1&255)
	}
	return text.String()
}
