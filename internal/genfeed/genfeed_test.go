package genfeed

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func write(t *testing.T, s Spec) (string, Truth) {
	t.Helper()
	var out bytes.Buffer
	truth, err := Write(&out, s)
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), truth
}

func allDirt(share float64) map[Kind]float64 {
	dirt := map[Kind]float64{}
	for _, k := range Kinds() {
		dirt[k] = share
	}
	return dirt
}

// TestGolden: the list of a spec must not change by accident, because tests and benchmarks
// compare by it.
func TestGolden(t *testing.T) {
	dirty4 := Default(2000)
	dirty4.Dirt = allDirt(0.02)
	dirty6 := dirty4
	dirty6.Family, dirty6.Shuffle = 6, true
	for _, test := range []struct {
		name, sum string
		spec      Spec
	}{
		{"small", "8c7edc053e01a3494a05cb07cac9424cc4bec30cae9a5fdcd79be0428c8350dd", Default(1000)},
		{"live", "ba15e8cbea2cf9a06392205ba541d60fe377c97d3702280324d7fafac31c16b2", Default(DefaultLines)},
		{"dirty IPv4", "e5a8908f9297c1c36f03167acc100540e654b5556b1569cba640cb3c51fd71b8", dirty4},
		{"dirty IPv6, shuffled", "948d7dd8e357c15d8b8bcc38558a3b056290a214c4a167baa03d65f4cfb4c8b6", dirty6},
	} {
		first, _ := write(t, test.spec)
		again, _ := write(t, test.spec)
		if first != again {
			t.Errorf("%s: two lists from one spec differ", test.name)
		}
		if got := fmt.Sprintf("%x", sha256.Sum256([]byte(first))); got != test.sum {
			t.Errorf("%s: SHA-256 is %s, want %s", test.name, got, test.sum)
		}
	}
}

func TestSeedAndShuffle(t *testing.T) {
	s := Default(500)
	sorted, _ := write(t, s)
	s.Shuffle = true
	shuffled, _ := write(t, s)
	if sorted == shuffled {
		t.Error("the shuffled list is the sorted one")
	}
	lines := strings.Split(sorted, "\n")
	if other := strings.Split(shuffled, "\n"); !slices.Equal(slices.Sorted(slices.Values(lines)), slices.Sorted(slices.Values(other))) {
		t.Error("the shuffled list has other lines than the sorted one")
	}
	s = Default(500)
	s.Seed++
	if other, _ := write(t, s); other == sorted {
		t.Error("another seed gives the same list")
	}
}

func TestHeader(t *testing.T) {
	for _, lines := range []int{0, 1, 1234} {
		s := Default(lines)
		list, truth := write(t, s)
		if want := fmt.Sprintf("# TOTAL NETBLOCK: %d\n", lines); !strings.Contains(list, want) {
			t.Errorf("no %q in a list of %d lines", want, lines)
		}
		if truth.Lines != lines || strings.Count(list, "\n") != lines+truth.Comments {
			t.Errorf("%d lines asked for: %+v", lines, truth)
		}
		s.Miscount = -1
		if list, _ := write(t, s); !strings.Contains(list, fmt.Sprintf("# TOTAL NETBLOCK: %d\n", lines-1)) {
			t.Errorf("a miscount of -1 does not show")
		}
		s.NoHeader = true
		if list, truth := write(t, s); strings.Contains(list, "#") || truth.Comments != 0 {
			t.Errorf("a header in spite of NoHeader")
		}
	}
}

// TestTruth: for any spec, a simple reader counts what Truth says.
func TestTruth(t *testing.T) {
	specs := map[string]Spec{}
	for _, family := range []int{4, 6} {
		clean := Default(3000)
		clean.Family = family
		specs[fmt.Sprint("clean, family ", family)] = clean

		bogus := clean
		bogus.Bogons = 1
		specs[fmt.Sprint("all bogons, family ", family)] = bogus

		for _, k := range Kinds() {
			s := clean
			s.Dirt = map[Kind]float64{k: 0.03}
			specs[fmt.Sprint(k, ", family ", family)] = s
			s.Lines, s.Bogons = 1, 0
			if k != Duplicate {
				specs[fmt.Sprint("one line of ", k, ", family ", family)] = s
			}
		}
		everything := clean
		everything.Dirt, everything.Shuffle = allDirt(0.05), true
		specs[fmt.Sprint("everything, family ", family)] = everything
	}
	for _, name := range slices.Sorted(maps.Keys(specs)) {
		s := specs[name]
		list, truth := write(t, s)
		if got, want := read(list), withoutDirty(truth); got != want {
			t.Errorf("%s: read\n%+v, Truth is\n%+v", name, got, want)
		}
		for _, k := range Kinds() {
			if truth.Dirty[k] != s.dirty(k) && k != BOM || s.dirty(k) > 0 && truth.Dirty[k] == 0 {
				t.Errorf("%s: %d lines of %v, want %d", name, truth.Dirty[k], k, s.dirty(k))
			}
		}
	}
}

func withoutDirty(t Truth) Truth {
	t.Dirty = Counts{}
	return t
}

// TestKindsShow: each kind of dirt shows in the text, and only if it is asked for.
func TestKindsShow(t *testing.T) {
	marks := map[Kind]func(line string) bool{
		Bare:      func(l string) bool { _, err := netip.ParseAddr(l); return err == nil },
		HostBits:  func(l string) bool { p, err := netip.ParsePrefix(l); return err == nil && p != p.Masked() },
		Range:     func(l string) bool { return strings.Contains(l, "-") },
		IpsetSave: func(l string) bool { return strings.HasPrefix(l, "add voip_bl ") },
		CSV:       func(l string) bool { return strings.Contains(l, ",") },
		Columns:   func(l string) bool { return strings.ContainsAny(l, " \t") },
		Remark:    func(l string) bool { return strings.ContainsAny(l, "#;") || strings.Contains(l, "//") },
		Mapped:    func(l string) bool { return strings.HasPrefix(l, "::ffff:") },
		Other:     func(l string) bool { return strings.Contains(l, ":") },
		Wide:      func(l string) bool { p, err := netip.ParsePrefix(l); return err == nil && p.Bits() < 8 },
		Garbage:   func(l string) bool { _, _, _, ok := parse(l); return !ok },
		CRLF:      func(l string) bool { return strings.HasSuffix(l, "\r") },
		BOM:       func(l string) bool { return strings.HasPrefix(l, "\ufeff") },
		Comment:   func(l string) bool { return strings.HasPrefix(strings.TrimSpace(l), "#") || l[0] == ';' || l[0] == '/' },
		Blank:     func(l string) bool { return strings.TrimSpace(l) == "" },
	}
	for k, mark := range marks {
		for _, share := range []float64{0, 0.02, 0.5} {
			if k == Wide && share == 0.5 {
				continue // more than the list has
			}
			s := Default(1000)
			s.Dirt, s.NoHeader = map[Kind]float64{k: share}, true
			list, truth := write(t, s)
			n := 0
			for line := range strings.SplitSeq(strings.TrimSuffix(list, "\n"), "\n") {
				if mark(line) {
					n++
				}
			}
			if n != truth.Dirty[k] || (n > 0) != (share > 0) {
				t.Errorf("%v=%v: %d lines look like it, Truth says %d", k, share, n, truth.Dirty[k])
			}
		}
	}
}

func TestErrors(t *testing.T) {
	for name, change := range map[string]func(*Spec){
		"negative":          func(s *Spec) { s.Lines = -1 },
		"too long":          func(s *Spec) { s.Lines = MaxLines + 1 },
		"no such family":    func(s *Spec) { s.Family = 5 },
		"bogons":            func(s *Spec) { s.Bogons = math.NaN() },
		"share":             func(s *Spec) { s.Dirt = map[Kind]float64{CSV: 1.1} },
		"no such kind":      func(s *Spec) { s.Dirt = map[Kind]float64{kinds: 0.1} },
		"more than all":     func(s *Spec) { s.Dirt = map[Kind]float64{CSV: 0.6, Bare: 0.6} },
		"length":            func(s *Spec) { s.Lengths = []Length{{33, 0.1}} },
		"lengths":           func(s *Spec) { s.Lengths = []Length{{24, 0.7}, {16, 0.7}} },
		"nothing to repeat": func(s *Spec) { s.Bogons, s.Dirt = 0, map[Kind]float64{Duplicate: 1} },
		"too many wide":     func(s *Spec) { s.Dirt = map[Kind]float64{Wide: 0.9} },
	} {
		s := Default(1000)
		change(&s)
		if _, err := Write(io.Discard, s); err == nil || !strings.HasPrefix(err.Error(), "genfeed: ") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	for _, dirt := range []string{"csv", "csv=x", "cvs=0.1", "plain=1"} {
		if _, err := ParseDirt(dirt); err == nil {
			t.Errorf("ParseDirt(%q) succeeds", dirt)
		}
	}
	if got, err := ParseDirt("all=0.01,crlf=1"); err != nil || len(got) != len(Kinds()) || got[CRLF] != 1 || got[CSV] != 0.01 {
		t.Errorf("ParseDirt: %v, %v", got, err)
	}
}
