package main

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/testpoll"
)

// becomes polls until nothing is wrong any more, and logs how long that took.
func (a *abuse) becomes(what string, within time.Duration, wrong func() string) {
	a.t.Helper()
	start, found := time.Now(), ""
	if !testpoll.Until(within, func() bool { found = wrong(); return found == "" }) {
		a.t.Fatalf("not within %s: %s: %s\n%s\n%s", within, what, found, a.rules(), a.lastLines())
	}
	a.t.Logf("%s: after %v", what, time.Since(start).Round(10*time.Millisecond))
}

// settled waits until everything is as it should be.
func (a *abuse) settled() {
	a.t.Helper()
	a.becomes("all in order", recovery, func() string {
		if found := a.wrong(); found != "" {
			return found
		}
		for _, args := range [][]string{{"firewall", "diff"}, {"status"}} {
			if out, code := a.run("voipbl", append([]string{"--config", a.cfg}, args...)...); code != exit.OK {
				return fmt.Sprintf("%s ends with %d: %s", strings.Join(args, " "), code, out)
			}
		}
		return ""
	})
}

// wrong says what of the sets is not what the last versions and the bans say.
func (a *abuse) wrong() string {
	a.t.Helper()
	a.asked()
	texts := []string{a.far.text(a.served)}
	for _, v := range a.lists {
		texts = append(texts, v.text(v.n))
	}
	for _, b := range a.banned {
		texts = append(texts, b.String())
	}
	want := a.addresses(strings.Fields(strings.Join(texts, "\n")))
	out, code := a.run("ipset", "save")
	if code != 0 {
		return out
	}
	var entries []string
	for line := range strings.Lines(out) {
		switch f := strings.Fields(line); {
		case f[0] == "create" && !slices.Contains([]string{"voip_bl", "voip_bl6", "voip_ban", "voip_ban6"}, f[1]):
			return "a set is left over: " + f[1]
		case f[0] == "add":
			entries = append(entries, f[2])
		}
	}
	have := a.addresses(entries)
	var missing, extra []netip.Addr
	for addr := range want {
		if !have[addr] {
			missing = append(missing, addr)
		}
	}
	for addr := range have {
		if !want[addr] {
			extra = append(extra, addr)
		}
	}
	if len(missing)+len(extra) == 0 {
		return ""
	}
	some := func(addrs []netip.Addr) []netip.Addr {
		slices.SortFunc(addrs, netip.Addr.Compare)
		return addrs[:min(len(addrs), 5)]
	}
	return fmt.Sprintf("of %d addresses %d are missing: %v, and %d are too much: %v", len(want), len(missing), some(missing), len(extra), some(extra))
}

// addresses are all those of prefixes, so that it does not matter how they are merged.
func (a *abuse) addresses(texts []string) map[netip.Addr]bool {
	a.t.Helper()
	all := make(map[netip.Addr]bool)
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			addr, err := netip.ParseAddr(text)
			if err != nil {
				a.t.Fatal(err)
			}
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		if p.Addr().BitLen()-p.Bits() > 16 {
			a.t.Fatalf("%s is no entry of this test", p)
		}
		for addr := p.Masked().Addr(); p.Contains(addr); addr = addr.Next() {
			all[addr] = true
		}
	}
	return all
}

// sameAgent checks that the agent is still the same process.
func (a *abuse) sameAgent() {
	a.t.Helper()
	select {
	case err := <-a.exit:
		a.t.Fatalf("the agent has ended: %v\n%s", err, a.lastLines())
	default:
	}
	if out := a.must("voipbl", "--config", a.cfg, "status", "--json"); !strings.Contains(out, fmt.Sprintf("\"pid\": %d,", a.agent.Process.Pid)) {
		a.t.Errorf("another agent answers than process %d: %s", a.agent.Process.Pid, out)
	}
}

// complaint is what must not be in the log: the agent's own, and the runtime's.
var complaint = regexp.MustCompile(`(?m)^.*(level=ERROR|panic|fatal error|DATA RACE|goroutine \d+).*$`)

func (a *abuse) checkLog() {
	a.t.Helper()
	text, err := os.ReadFile(a.log)
	if err != nil {
		a.t.Fatal(err)
	}
	if found := complaint.FindAllString(string(text), 10); found != nil {
		a.t.Errorf("in the log:\n%s", strings.Join(found, "\n"))
	}
	kinds := make(map[string]int)
	for _, m := range regexp.MustCompile(`level=WARN msg=("(?:[^"\\]|\\.)*"|\S+)`).FindAllStringSubmatch(string(text), -1) {
		kinds[m[1]]++
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		a.t.Logf("warned %d times: %s", kinds[kind], kind)
	}
}

// lastLines are the end of the agent's log.
func (a *abuse) lastLines() string {
	text, _ := os.ReadFile(a.log)
	lines := strings.SplitAfter(string(text), "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "")
}

// tell logs how much abuse there was, and fails if it was too little to prove anything.
func (a *abuse) tell() {
	a.t.Helper()
	a.t.Logf("%d SIGHUPs; %d connections opened; metrics: %d answers, %d times busy, the slowest took %v; bans left: %d", a.hangups, a.opened, a.metricsOK, a.metricsBusy, a.slowest, len(a.banned))
	for _, l := range a.lanes {
		a.t.Logf("%s: %d, each took %v, the longest %v", l.name, l.count, (l.all / time.Duration(max(l.count, 1))).Round(time.Millisecond), l.longest.Round(time.Millisecond))
		if l.count < 3 {
			a.t.Errorf("%s: too few to prove anything", l.name)
		}
	}
	for _, v := range a.lists {
		written, seen := v.n-v.from, 0
		for n := range maps.Keys(v.seen) {
			if n > v.from {
				seen++
			}
		}
		a.t.Logf("list %d: %d versions written, %d seen in the kernel while they were the newest", v.feed, written, seen)
		if seen*4 < written || seen < 3 { // how many a busy machine misses says nothing of the agent
			a.t.Errorf("list %d: %d of %d versions came into force", v.feed, seen, written)
		}
	}
	a.t.Logf("far list: %d versions offered, %d seen in the kernel", a.far.n-a.far.from, len(a.far.seen))
	if len(a.far.seen) == 0 {
		a.t.Error("the far list never came into force")
	}
	if a.metricsOK == 0 {
		a.t.Error("metrics never answered")
	}
}
