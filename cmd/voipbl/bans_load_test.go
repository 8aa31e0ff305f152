package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/voipbl/voipbl/banlist"
	"github.com/voipbl/voipbl/bans"
)

// A flood is ten thousand attackers, all of whom get banned: some one by one, as by fail2ban, most
// of them many in one call.
const (
	flooding    = 10_000
	oneByOne    = 60
	inOneCall   = 100
	floodAtOnce = 6 // calls
)

// floodCalls are the calls of a flood, each with its addresses.
func floodCalls() (calls [][]string) {
	var call []string
	for i := range flooding {
		addr := fmt.Sprintf("99.%d.%d.%d", i>>16, i>>8&255, i&255)
		if i%5 == 4 {
			addr = fmt.Sprintf("2a00:99::%x:1", i)
		}
		call = append(call, addr)
		if i < oneByOne || len(call) == inOneCall || i == flooding-1 {
			calls = append(calls, call)
			call = nil
		}
	}
	return calls
}

// flood makes the calls, several at a time, and returns the addresses of the calls that reported
// success. Something else may happen during the flood.
func (r *runningAgent) flood(calls [][]string, during func(done int)) (acknowledged []string) {
	r.t.Helper()
	var waiting sync.WaitGroup
	var mu sync.Mutex
	done := 0
	slots := make(chan struct{}, floodAtOnce)
	for _, call := range calls {
		slots <- struct{}{}
		args := append([]string{"--config", r.config, "ban", "--for", "48h", "--reason", "flood"}, call...)
		cmd := exec.Command("voipbl", args...)
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil { // here, for the namespace is this goroutine's
			r.t.Fatal(err)
		}
		waiting.Go(func() {
			defer func() { <-slots }()
			err := cmd.Wait()
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				r.t.Errorf("%v: %v: %s", call, err, out.String())
				return
			}
			acknowledged = append(acknowledged, call...)
			done++
			if during != nil {
				during(done)
			}
		})
	}
	waiting.Wait()
	return acknowledged
}

// kernelBans are the entries of the sets of bans.
func (h *host) kernelBans() map[string]bool {
	h.t.Helper()
	out, err := exec.Command("ipset", "save").Output()
	if err != nil {
		h.t.Fatal(err)
	}
	bans := make(map[string]bool)
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); f[0] == "add" && strings.HasPrefix(f[1], "voip_ban") {
			bans[f[2]] = true
		}
	}
	return bans
}

// listedBans are the bans by "voipbl bans".
func (r *runningAgent) listedBans() map[string]bans.Ban {
	r.t.Helper()
	out, code := r.voipbl("bans", "--json")
	var banned []bans.Ban
	if err := json.Unmarshal([]byte(out), &banned); err != nil || code != 0 {
		r.t.Fatalf("%d, %v: %.300s", code, err, out)
	}
	all := make(map[string]bans.Ban)
	for _, b := range banned {
		text := b.Prefix.String()
		if b.Prefix.IsSingleIP() {
			text = b.Prefix.Addr().String()
		}
		all[text] = b
	}
	return all
}

// agree compares the kernel with the list, which changes while bans end.
func (r *runningAgent) agree() {
	r.t.Helper()
	listed, kernel := slices.Sorted(maps.Keys(r.listedBans())), slices.Sorted(maps.Keys(r.kernelBans()))
	if !slices.Equal(listed, kernel) {
		r.t.Errorf("%d bans are listed and %d are in the kernel", len(listed), len(kernel))
		for _, b := range listed {
			if _, found := slices.BinarySearch(kernel, b); !found {
				r.t.Logf("not in the kernel: %s", b)
				break
			}
		}
	}
}

// fullList is a list that is full: a few bans without an end, and many that end in an
// hour to a day.
func fullList() []byte {
	now := banlist.Clock{Boot: "before", Wall: time.Now()}
	var lines []byte
	for i := range banlist.Most {
		last := time.Hour + time.Duration(i)*time.Second
		if i%1000 == 0 {
			last = 0
		}
		b := banlist.New(netip.MustParsePrefix(fmt.Sprintf("88.%d.%d.%d/32", i>>16, i>>8&255, i&255)), "", last, now)
		lines = banlist.AppendBan(lines, b, now)
	}
	return lines
}

// TestBanFlood bans ten thousand attackers as fast as it goes, into a full list, under
// a running agent that is killed in the middle and started again. Each ban that was
// acknowledged is in force and written down; what made way is what ended soonest; and
// the kernel and the list agree.
func TestBanFlood(t *testing.T) {
	t.Parallel()
	h := newHost(t, "nft")
	config := h.configure("metrics: {listen: \"\"}\n", h.nearFeed())
	writeFile(t, filepath.Join(h.dir, "state", "bans.journal"), string(fullList()))
	r := h.startAgent(config)
	r.told("READY=1", time.Minute)
	if n := len(h.kernelBans()); n != banlist.Most {
		t.Fatalf("%d bans are in the kernel at the start, not %d", n, banlist.Most)
	}

	begun, killed := time.Now(), false
	calls := floodCalls()
	half := len(calls) / 2
	acknowledged := r.flood(calls[:half], func(done int) {
		if done > half-30 && !killed {
			killed = true
			r.cmd.Process.Signal(syscall.SIGKILL)
		}
	})
	r.cmd.Wait()
	r = h.startAgent(config)
	acknowledged = append(acknowledged, r.flood(calls[half:], nil)...)
	if !killed || len(acknowledged) != flooding {
		t.Fatalf("killed %v; %d of %d bans were acknowledged", killed, len(acknowledged), flooding)
	}
	t.Logf("%d bans in %d calls took %s", flooding, len(calls), time.Since(begun))
	check := func(when string) {
		t.Helper()
		listed, kernel := r.listedBans(), h.kernelBans()
		lost := 0
		for _, a := range acknowledged {
			if _, kept := listed[a]; !kept || !kernel[a] {
				if lost++; lost < 4 {
					t.Errorf("%s: %s: written down %v, in the kernel %v", when, a, kept, kernel[a])
				}
			}
		}
		if len(listed) != banlist.Most || lost > 0 {
			t.Errorf("%s: %d bans are listed, %d of the newest are lost", when, len(listed), lost)
		}
		for i := 0; i < banlist.Most; i += 1000 {
			if a := fmt.Sprintf("88.%d.%d.%d", i>>16, i>>8&255, i&255); !listed[a].Until.IsZero() || !kernel[a] {
				t.Errorf("%s: %s had no end, and was evicted", when, a)
			}
		}
		r.agree()
	}
	check("after the flood")

	// And so it is after the agent was started again.
	r.end(syscall.SIGTERM)
	r = h.startAgent(config)
	r.told("READY=1", time.Minute)
	check("after the start")
	r.end(syscall.SIGTERM)
}
