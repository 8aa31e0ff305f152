package blocklist

import (
	"bufio"
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/internal/genfeed"
	"github.com/voipbl/voipbl/internal/testns"
)

// slowSet computes what a set must hold in another, slow way: prefixes in a map, one step at
// a time.
type slowSet map[netip.Prefix]bool

// add adds p unless the policy forbids it.
func (s slowSet) add(p netip.Prefix) {
	if p.Bits() >= map[bool]int{true: 8, false: 19}[p.Addr().Is4()] {
		s[p.Masked()] = true
	}
}

// subtract cuts every prefix in halves until none overlaps the hole.
func (s slowSet) subtract(hole netip.Prefix) {
	for p := range s {
		s.cut(p, hole)
	}
}

func (s slowSet) cut(p, hole netip.Prefix) {
	if !p.Overlaps(hole) {
		return
	}
	delete(s, p)
	if hole.Bits() <= p.Bits() {
		return
	}
	for _, half := range halves(p) {
		s[half] = true
		s.cut(half, hole)
	}
}

func halves(p netip.Prefix) [2]netip.Prefix {
	upper := p.Addr().AsSlice()
	upper[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
	a, _ := netip.AddrFromSlice(upper)
	return [2]netip.Prefix{netip.PrefixFrom(p.Addr(), p.Bits()+1), netip.PrefixFrom(a, p.Bits()+1)}
}

// aggregate drops what another prefix contains, and joins halves.
func (s slowSet) aggregate() {
	for p := range s {
		for bits := p.Bits() - 1; bits >= 0; bits-- {
			if s[netip.PrefixFrom(p.Addr(), bits).Masked()] {
				delete(s, p)
				break
			}
		}
	}
	for bits := 128; bits > 0; bits-- {
		for p := range s {
			if p.Bits() != bits {
				continue
			}
			parent := netip.PrefixFrom(p.Addr(), bits-1).Masked()
			if h := halves(parent); s[h[0]] && s[h[1]] {
				delete(s, h[0])
				delete(s, h[1])
				s[parent] = true
			}
		}
	}
}

// saved is what ipset save must print for the family.
func (s slowSet) saved(name string, v4 bool) []string {
	out := []string{}
	for p := range s {
		if p.Addr().Is4() != v4 {
			continue
		}
		text := p.String()
		if p.IsSingleIP() {
			text = p.Addr().String()
		}
		out = append(out, fmt.Sprintf("add %s %s packets 0 bytes 0", name, text))
	}
	slices.Sort(out)
	return out
}

// readPlain reads lists that hold nothing but addresses, prefixes and comments.
func (s slowSet) readPlain(t *testing.T, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if a, err := netip.ParseAddr(line); err == nil {
			s.add(netip.PrefixFrom(a, a.BitLen()))
		} else {
			s.add(netip.MustParsePrefix(line))
		}
	}
}

// never are the blocks that are never in a set, listed independently for this test.
var never = strings.Fields(`
	0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24
	192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
	::/3 4000::/2 8000::/1 2001::/23 2001:db8::/32 2002::/16 3fff::/20`)

// savedEntries are the sorted add lines of ipset save.
func savedEntries(t *testing.T, name string) []string {
	t.Helper()
	out, err := exec.Command("ipset", "save", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	entries := []string{}
	for line := range bytes.Lines(out) {
		if bytes.HasPrefix(line, []byte("add ")) {
			entries = append(entries, strings.TrimSpace(string(line)))
		}
	}
	slices.Sort(entries)
	return entries
}

// joined reads what ipset save prints, and returns the same with its pieces joined.
func joined(t *testing.T, name string, v4 bool, saved []string) []string {
	t.Helper()
	s := make(slowSet)
	for _, line := range saved {
		text := strings.Fields(line)[2]
		if a, err := netip.ParseAddr(text); err == nil {
			s.add(netip.PrefixFrom(a, a.BitLen()))
		} else {
			s.add(netip.MustParsePrefix(text))
		}
	}
	s.aggregate()
	return s.saved(name, v4)
}

// syncTwice syncs feeds of files and compares every entry in the kernel with the slow
// computation, as the lists have them and then in pieces. The second sync of each must write
// nothing.
func syncTwice(t *testing.T, want slowSet, allow []string, files ...string) {
	t.Helper()
	dir := t.TempDir()
	yaml := fmt.Sprintf("state_dir: %s/state\nrun_dir: %s/run\nallow: [%s]\nfeeds:\n", dir, dir, strings.Join(allow, ", "))
	for i, f := range files {
		abs, err := filepath.Abs(f)
		if err != nil {
			t.Fatal(err)
		}
		want.readPlain(t, f)
		yaml += fmt.Sprintf("  - {name: f%d, path: %s}\n", i, abs)
	}
	cfg, err := config.Parse("test.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	for _, hole := range slices.Concat(never, allow) {
		hole = strings.Trim(hole, `"`)
		if !strings.Contains(hole, "/") {
			a := netip.MustParseAddr(hole)
			hole = netip.PrefixFrom(a, a.BitLen()).String()
		}
		want.subtract(netip.MustParsePrefix(hole))
	}
	want.aggregate()
	for run, extra := range []int{0, 0, config.ExtraAuto, config.ExtraAuto} {
		cfg.Shape.ExtraEntries = extra
		report, err := Sync(t.Context(), cfg, feeds.Options{Version: "test"})
		if err != nil {
			t.Fatal(err)
		}
		if report.Outcome != InForce {
			t.Errorf("run %d: %s, %+v", run, report.Outcome, report.Feeds)
		}
		for i, s := range report.Sets {
			expected := want.saved(s.Name, i == 0)
			got := savedEntries(t, s.Name)
			if len(got) != s.KernelAfter {
				t.Errorf("run %d: the kernel has %d entries, not %d", run, len(got), s.KernelAfter)
			}
			if extra != 0 {
				got = joined(t, s.Name, i == 0, got)
			}
			if !slices.Equal(got, expected) {
				t.Fatalf("%s: the kernel has %d entries, the slow computation %d", s.Name, len(got), len(expected))
			}
			if written := run == 0 || run == 2 && s.KernelAfter != s.After; s.After != len(expected) || s.Written != written {
				t.Errorf("run %d: %+v", run, s)
			}
			t.Logf("run %d: %s holds %d entries, as computed one by one", run, s.Name, len(got))
		}
	}
}

func TestGeneratedLists(t *testing.T) {
	for _, family := range []int{4, 6} {
		t.Run(fmt.Sprintf("IPv%d", family), func(t *testing.T) {
			testns.Enter(t)
			file := filepath.Join(t.TempDir(), "list")
			f, err := os.Create(file)
			if err != nil {
				t.Fatal(err)
			}
			spec := genfeed.Default(30_000)
			spec.Family = family
			spec.Dirt = map[genfeed.Kind]float64{genfeed.Other: 0.2, genfeed.Wide: 0.001, genfeed.Duplicate: 0.01}
			if _, err := genfeed.Write(f, spec); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			syncTwice(t, make(slowSet), []string{`"2a00:1450::/32"`, "8.8.0.0/16"}, file)
		})
	}
}
