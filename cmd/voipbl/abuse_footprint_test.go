package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/voipbl/voipbl/internal/testpoll"
)

// footprint is what the agent takes of the machine; memory is in KiB.
type footprint struct{ goroutines, fds, rss, anon int }

func (a *abuse) footprint() (u footprint, ok bool) {
	a.t.Helper()
	m := a.metrics()
	if m == nil {
		return footprint{}, false
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.agent.Process.Pid))
	if err != nil {
		a.t.Fatal(err)
	}
	kib := func(key string) int {
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) == 3 && f[0] == key+":" {
				n, _ := strconv.Atoi(f[1])
				return n
			}
		}
		a.t.Fatalf("no %s", key)
		return 0
	}
	return footprint{int(m["go_goroutines"]), int(m["process_open_fds"]), kib("VmRSS"), kib("RssAnon")}, true
}

// least is the least of each in a time: what is busy for a moment does not count.
func (a *abuse) least(window time.Duration) (low footprint) {
	a.t.Helper()
	found := false
	begin := time.Now()
	if !testpoll.Until(window+idleEnd, func() bool {
		u, ok := a.footprint()
		switch {
		case !ok:
		case !found:
			low, found = u, true
		default:
			low = footprint{min(low.goroutines, u.goroutines), min(low.fds, u.fds), min(low.rss, u.rss), min(low.anon, u.anon)}
		}
		return found && time.Since(begin) >= window
	}) {
		a.t.Fatal("metrics do not answer")
	}
	return low
}
