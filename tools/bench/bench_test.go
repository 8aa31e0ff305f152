package main

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/tools/bench/page"
)

// TestParseSteps reads what "go test -bench" prints, with figures of a benchmark's own.
func TestParseSteps(t *testing.T) {
	got, err := parseSteps(`goos: linux
pkg: github.com/voipbl/voipbl/cidr
BenchmarkScan-2   	     100	   1234567 ns/op	  55.5 MB/s	     0.1900 x-iprange	     512 B/op	       7 allocs/op
some log line
BenchmarkSubtract/of-2-2   	     100	   500 ns/op
PASS
pkg: github.com/voipbl/voipbl/ipsetsync
BenchmarkEncode   	       1	   1000 ns/op	       0 B/op	       0 allocs/op
ok
`)
	want := []page.Step{
		{Package: "cidr", Name: "Scan", Nanos: 1234567, Bytes: 512, Allocs: 7, Own: map[string]float64{"x-iprange": 0.19}},
		{Package: "cidr", Name: "Subtract/of-2", Nanos: 500},
		{Package: "ipsetsync", Name: "Encode", Nanos: 1000},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v: %+v", err, got)
	}
}

// TestChanged: one line in a hundred is another, and the pieces of a list are the list.
func TestChanged(t *testing.T) {
	var list bytes.Buffer
	for i := range 1050 {
		list.WriteString(netip.AddrFrom4([4]byte{11, byte(i >> 8), byte(i), 1}).String() + "\n")
	}
	old, now := strings.Split(list.String(), "\n"), strings.Split(string(changed(list.Bytes())), "\n")
	other := 0
	for i := range old {
		if old[i] != now[i] {
			other++
		}
	}
	if len(old) != len(now) || other != 10 {
		t.Errorf("%d of %d lines are others", other, len(now))
	}
	dir := t.TempDir()
	if err := cut(dir, list.Bytes(), 16); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(dir + "/f*")
	if err != nil || len(names) != 16 {
		t.Fatalf("%v: %q", err, names)
	}
	lines := 0
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		n := bytes.Count(text, []byte("\n"))
		if n < 60 || n > 75 || text[len(text)-1] != '\n' {
			t.Errorf("%s has %d lines", name, n)
		}
		lines += n
	}
	if lines != 1050 {
		t.Errorf("%d lines in all pieces", lines)
	}
}

// TestFlags: parts and lists that are not there are refused.
func TestFlags(t *testing.T) {
	lists := t.TempDir()
	for _, test := range []struct{ args, want string }{
		{"", ""},
		{"-quick -only sync,packets", ""},
		{"-only packet", `"packet" is no part: choose of sync,start,packets,agent,fleet,steps`},
		{"-only sync,", `"" is no part`},
		{"-lists " + lists, "no published lists: "},
		{"-lists " + lists + "/none", "no published lists: "},
	} {
		if _, err := flags(strings.Fields(test.args)); (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.args, err, test.want)
		}
	}
}

// TestFirehol: the list has the make-up that it is to have, and nothing in it can be merged.
func TestFirehol(t *testing.T) {
	n := map[int]int{}
	seen := map[netip.Prefix]bool{}
	for line := range strings.Lines(string(likeFirehol())) {
		p := netip.MustParsePrefix(strings.TrimSpace(line))
		if p != p.Masked() {
			t.Errorf("%s has bits behind its length", p)
		}
		n[p.Bits()]++
		seen[netip.PrefixFrom(p.Addr(), p.Bits()-1).Masked()] = true
	}
	total := 0
	for _, f := range firehol {
		total += f.n
		if n[f.length] != f.n {
			t.Errorf("%d of /%d, not %d", n[f.length], f.length, f.n)
		}
	}
	if len(seen) != total {
		t.Errorf("%d of %d can be merged", total-len(seen), total)
	}
}

// TestFrame: lengths and the checksum are right, and a request is as long as it is to be.
func TestFrame(t *testing.T) {
	from := netip.MustParseAddr("11.22.33.44")
	f := frame(etherIPv4, from, sipPort, sip(from))
	if len(f) != 14+20+8+sipSize || binary.BigEndian.Uint16(f[16:]) != uint16(len(f)-14) || binary.BigEndian.Uint16(f[38:]) != uint16(len(f)-34) {
		t.Errorf("%d bytes: % x", len(f), f[:42])
	}
	var sum uint32
	for i := 14; i < 34; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(f[i:]))
	}
	if sum>>16+sum&0xffff != 0xffff {
		t.Errorf("the checksum is wrong: % x", f[14:34])
	}
	if text := string(f[42:]); !strings.HasPrefix(text, "OPTIONS sip:") || !strings.HasSuffix(text, "\r\n\r\n") {
		t.Errorf("%q", text)
	}
}

func TestCounted(t *testing.T) {
	saved := "*raw\n:PREROUTING ACCEPT [9:9]\n[5:140] -A PREROUTING -m set --match-set voip_bl src -j DROP\n[3:84] -A PREROUTING -j DROP\n[2:56] -A PREROUTING -j DROP\n"
	if met, ended := counted(saved, "--match-set voip_bl src "), counted(saved, "-A PREROUTING -j DROP"); met != 5 || ended != 5 {
		t.Error(met, ended)
	}
}
