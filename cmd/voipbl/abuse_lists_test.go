package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/genfeed"
)

// versions is a list that changes all the time. Two bodies alternate, and each version has its own
// marker, by which the kernel's content shows which version it is.
type versions struct {
	feed    int
	file    string
	inPlace bool // written as "cp" does it, not as an editor does
	bodies  [2]string
	n       int
	written time.Time
	seen    map[int]bool // versions whose marker was in the kernel
	from    int          // the version at which counting began
}

// The addresses that the test adds to generated lists: markers, and bans.
var markerSpace, banSpace = netip.MustParsePrefix("51.0.0.0/8"), netip.MustParsePrefix("52.0.0.0/8")

const markerSpace6 = "2a00:51:%x::%x"

func (v *versions) marker(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{51, byte(v.feed), byte(n >> 8), byte(n)})
}

func (v *versions) marker6(n int) netip.Addr {
	return netip.MustParseAddr(fmt.Sprintf(markerSpace6, v.feed, n))
}

// text returns a version. Its markers are at the end, so a kernel that has them has everything.
func (v *versions) text(n int) string {
	return fmt.Sprintf("%s%s\n%s\n", v.bodies[n%2], v.marker(n), v.marker6(n))
}

// newVersions makes the two bodies, some thousand entries each.
func newVersions(t *testing.T, feed int, file string) *versions {
	t.Helper()
	v := &versions{feed: feed, file: file, seen: make(map[int]bool)}
	for i := range v.bodies {
		spec := genfeed.Default(3000 + 500*i)
		spec.Seed, spec.Bogons, spec.NoHeader = uint64(2*feed+i), 0, true
		var list, kept bytes.Buffer
		if _, err := genfeed.Write(&list, spec); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(list.String()) {
			if p, err := netip.ParsePrefix(strings.TrimSpace(line)); err == nil && !markerSpace.Overlaps(p) && !banSpace.Overlaps(p) {
				kept.WriteString(line)
			}
		}
		v.bodies[i] = kept.String()
	}
	// The second has two thirds of the first: no list is another one altogether from one
	// fetch to the next.
	first, second := strings.SplitAfter(v.bodies[0], "\n"), strings.SplitAfter(v.bodies[1], "\n")
	v.bodies[1] = strings.Join(first[:len(first)*2/3], "") + strings.Join(second[:len(second)/2], "")
	return v
}

// ban is an address that is banned; no two of them are neighbours.
func ban(kind, n int) netip.Addr {
	return netip.AddrFrom4([4]byte{52, byte(kind), byte(n >> 7), byte(n << 1)})
}

// rewrite writes the next version of a local list.
func (a *abuse) rewrite(v *versions) {
	a.t.Helper()
	v.n++
	v.written = time.Now()
	if v.inPlace {
		writeFile(a.t, v.file, v.text(v.n))
		return
	}
	writeFile(a.t, v.file+".new", v.text(v.n))
	if err := os.Rename(v.file+".new", v.file); err != nil {
		a.t.Fatal(err)
	}
}

// offer has the feed server give the next version of the far list. Each has a file
// of its own, so that an answer is always one version.
func (a *abuse) offer() {
	a.t.Helper()
	v := a.far
	file := fmt.Sprint(v.file, ".", v.n+1)
	writeFile(a.t, file, v.text(v.n+1))
	a.asked()
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	if a.server.count["far"] > 0 {
		a.served = v.n // between the two looks
	}
	v.n++
	v.written = time.Now()
	a.server.feeds["far"], a.server.count["far"] = behaviour{"ok", file}, 0
}

// asked takes note of whether the newest version of the far list was asked for.
func (a *abuse) asked() {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	if a.server.count["far"] > 0 {
		a.served = a.far.n
	}
}

// look looks for the newest versions in the kernel.
func (a *abuse) look() {
	a.t.Helper()
	a.asked()
	for _, v := range append([]*versions{a.far}, a.lists...) {
		n := v.n
		if v == a.far {
			n = a.served
		}
		if v.seen[n] {
			continue
		}
		if _, code := a.run("ipset", "-quiet", "test", "voip_bl", v.marker(n).String()); code == 0 {
			v.seen[n] = true
		}
	}
}

// forget begins to count anew.
func (a *abuse) forget() {
	for _, v := range append([]*versions{a.far}, a.lists...) {
		v.seen, v.from = make(map[int]bool), v.n
	}
	for _, l := range a.lanes {
		l.count, l.longest, l.all = 0, 0, 0
	}
	a.hangups, a.opened, a.metricsOK, a.metricsBusy, a.slowest = 0, 0, 0, 0, 0
}
