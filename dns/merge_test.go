package dns

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const day = 24 * time.Hour

var begin = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func addrs(text string) []netip.Addr {
	var all []netip.Addr
	for _, word := range strings.Fields(text) {
		all = append(all, netip.MustParseAddr(word))
	}
	return all
}

func words(k Known) string {
	var all []string
	for _, a := range k.Addresses {
		all = append(all, a.Addr.String())
	}
	return strings.Join(all, " ")
}

func TestMerge(t *testing.T) {
	down := errors.New("down")
	type step struct {
		after time.Duration
		a     Answer
		want  string
		moved bool
	}
	good := func(text string) Answer { return Answer{Addrs: addrs(text)} }
	for name, steps := range map[string][]step{
		"a pool of four, two at a time": {
			{0, good("5.0.0.1 5.0.0.2"), "5.0.0.1 5.0.0.2", false},
			{time.Hour, good("5.0.0.2 5.0.0.3"), "5.0.0.1 5.0.0.2 5.0.0.3", false},
			{time.Hour, good("5.0.0.3 5.0.0.4"), "5.0.0.1 5.0.0.2 5.0.0.3 5.0.0.4", false},
			{time.Hour, good("5.0.0.1 5.0.0.4"), "5.0.0.1 5.0.0.2 5.0.0.3 5.0.0.4", false},
		},
		"what is missing for seven days leaves": {
			{0, good("5.0.0.1 5.0.0.2"), "5.0.0.1 5.0.0.2", false},
			{day, good("5.0.0.2"), "5.0.0.1 5.0.0.2", false},
			{day, good("5.0.0.2"), "5.0.0.1 5.0.0.2", false},
			{day, good("5.0.0.2"), "5.0.0.1 5.0.0.2", false},
			{day, good("5.0.0.2"), "5.0.0.1 5.0.0.2", false},
			{day, good("5.0.0.2"), "5.0.0.1 5.0.0.2", false},
			{day, good("5.0.0.2"), "5.0.0.1 5.0.0.2", false},
			{day - time.Minute, good("5.0.0.2"), "5.0.0.1 5.0.0.2", false},
			{time.Minute, good("5.0.0.2"), "5.0.0.2", false},
		},
		"off for a year, and a clock that leaps": {
			{0, good("5.0.0.1 5.0.0.2"), "5.0.0.1 5.0.0.2", false},
			{365 * day, good("5.0.0.2"), "5.0.0.1 5.0.0.2", false},
			{-700 * day, good("5.0.0.2"), "5.0.0.1 5.0.0.2", false},
			{700 * day, good("5.0.0.2"), "5.0.0.1 5.0.0.2", false},
			{2 * day, good("5.0.0.2"), "5.0.0.1 5.0.0.2", false},
			{2 * day, good("5.0.0.2"), "5.0.0.2", false},
		},
		"what is seen again begins anew": {
			{0, good("5.0.0.1 5.0.0.2"), "5.0.0.1 5.0.0.2", false},
			{day, good("5.0.0.2"), "5.0.0.1 5.0.0.2", false},
			{2 * day, good("5.0.0.2"), "5.0.0.1 5.0.0.2", false},
			{2 * day, good("5.0.0.2"), "5.0.0.1 5.0.0.2", false},
			{day, good("5.0.0.1 5.0.0.2"), "5.0.0.1 5.0.0.2", false},
			{2 * day, good("5.0.0.2"), "5.0.0.1 5.0.0.2", false},
			{2 * day, good("5.0.0.2"), "5.0.0.1 5.0.0.2", false},
			{2 * day, good("5.0.0.2"), "5.0.0.1 5.0.0.2", false},
			{2 * day, good("5.0.0.2"), "5.0.0.2", false},
		},
		"no answer: nothing leaves, ever": {
			{0, good("5.0.0.1 2a00::1"), "5.0.0.1 2a00::1", false},
			{9 * day, Answer{Err: down, Partial: [2]bool{true, true}}, "5.0.0.1 2a00::1", false},
			{9 * day, Answer{Err: down, Partial: [2]bool{true, true}}, "5.0.0.1 2a00::1", false},
			{9 * day, Answer{Err: down, NoHost: true}, "5.0.0.1 2a00::1", false},
			{time.Hour, good("5.0.0.1"), "5.0.0.1 2a00::1", false},
		},
		"one family fails, the other changes": {
			{0, good("5.0.0.1 2a00::1"), "5.0.0.1 2a00::1", false},
			{day, Answer{Addrs: addrs("2a00::2"), Err: down, Partial: [2]bool{true, false}}, "5.0.0.1 2a00::1 2a00::2", true},
			{2 * day, Answer{Addrs: addrs("2a00::2"), Err: down, Partial: [2]bool{true, false}}, "5.0.0.1 2a00::1 2a00::2", false},
			{2 * day, Answer{Addrs: addrs("2a00::2"), Err: down, Partial: [2]bool{true, false}}, "5.0.0.1 2a00::1 2a00::2", false},
			{2 * day, Answer{Addrs: addrs("2a00::2"), Err: down, Partial: [2]bool{true, false}}, "5.0.0.1 2a00::1 2a00::2", false},
			{2 * day, Answer{Addrs: addrs("2a00::2"), Err: down, Partial: [2]bool{true, false}}, "5.0.0.1 2a00::2", false},
		},
		"SRV fails where there were records": {
			{0, Answer{Addrs: addrs("5.0.0.1 5.0.0.9"), Servers: true}, "5.0.0.1 5.0.0.9", false},
			{2 * day, Answer{Addrs: addrs("5.0.0.1"), Unasked: true, Err: down}, "5.0.0.1 5.0.0.9", false},
			{2 * day, Answer{Addrs: addrs("5.0.0.1"), Unasked: true, Err: down}, "5.0.0.1 5.0.0.9", false},
			{2 * day, Answer{Addrs: addrs("5.0.0.1"), Unasked: true, Err: down}, "5.0.0.1 5.0.0.9", false},
			{2 * day, Answer{Addrs: addrs("5.0.0.1"), Unasked: true, Err: down}, "5.0.0.1 5.0.0.9", false},
			{2 * day, Answer{Addrs: addrs("5.0.0.1"), Unasked: true, Err: down}, "5.0.0.1 5.0.0.9", false},
		},
		"SRV fails where there were none": {
			{0, good("5.0.0.1"), "5.0.0.1", false},
			{7 * day / 4, Answer{Addrs: addrs("5.0.0.2"), Unasked: true, Err: down}, "5.0.0.1 5.0.0.2", true},
			{7 * day / 4, Answer{Addrs: addrs("5.0.0.2"), Unasked: true, Err: down}, "5.0.0.1 5.0.0.2", false},
			{7 * day / 4, Answer{Addrs: addrs("5.0.0.2"), Unasked: true, Err: down}, "5.0.0.1 5.0.0.2", false},
			{7 * day / 4, Answer{Addrs: addrs("5.0.0.2"), Unasked: true, Err: down}, "5.0.0.2", false},
		},
		"a private answer joins": {
			{0, good("5.0.0.1"), "5.0.0.1", false},
			{day, good("10.0.0.1"), "5.0.0.1 10.0.0.1", true},
			{day, good("10.0.0.1"), "5.0.0.1 10.0.0.1", false},
			{day, good("5.0.0.1"), "5.0.0.1 10.0.0.1", false},
		},
	} {
		var k Known
		now := begin
		for i, s := range steps {
			now = now.Add(s.after)
			var moved bool
			at := k.At
			k, moved = k.Merge(s.a, 7*day, now)
			if good := len(s.a.Addrs) > 0; good && !k.At.Equal(now) || !good && !k.At.Equal(at) {
				t.Errorf("%s, step %d: at %v", name, i, k.At)
			}
			if got := words(k); got != s.want || moved != s.moved {
				t.Errorf("%s, step %d: %q, moved %v", name, i, got, moved)
			}
			if (k.Failed != nil) != (s.a.Err != nil) || k.Failed != nil && k.Failed.NoHost != s.a.NoHost {
				t.Errorf("%s, step %d: failed %+v", name, i, k.Failed)
			}
		}
	}
}

// TestMoveIsRemembered: a move is kept while the addresses from before are still known.
func TestMoveIsRemembered(t *testing.T) {
	k, _ := Known{}.Merge(Answer{Addrs: addrs("5.0.0.1")}, 4*day, begin)
	k, _ = k.Merge(Answer{Addrs: addrs("6.0.0.1")}, 4*day, begin.Add(day))
	for d := 2; d <= 4; d++ {
		k, _ = k.Merge(Answer{Addrs: addrs("6.0.0.1")}, 4*day, begin.Add(time.Duration(d)*day))
		if want := d < 4; (k.Moved != nil) != want {
			t.Errorf("day %d: %+v, left %v", d, k.Moved, k.Left())
		}
	}
	k, _ = k.Merge(Answer{Addrs: addrs("7.0.0.1")}, 4*day, begin.Add(5*day))
	if got := k.Left(); !slices.Equal(got, addrs("6.0.0.1")) || !k.Moved.At.Equal(begin.Add(5*day)) {
		t.Errorf("left %v, moved %+v", got, k.Moved)
	}
}

func TestFailureKeepsItsBeginning(t *testing.T) {
	var k Known
	for i, a := range []Answer{{Err: errors.New("x")}, {Err: errors.New("y")}, {Err: errors.New("z"), NoHost: true}} {
		k, _ = k.Merge(a, day, begin.Add(time.Duration(i)*time.Hour))
	}
	if want := begin.Add(2 * time.Hour); !k.Failed.Since.Equal(want) || k.Failed.Why != "z" || !k.At.IsZero() {
		t.Errorf("%+v", k)
	}
	k, _ = k.Merge(Answer{Addrs: addrs("5.0.0.1")}, day, begin)
	if k.Failed != nil {
		t.Errorf("%+v", k.Failed)
	}
}

// TestBound: if there are too many addresses, those seen longest ago are dropped.
func TestBound(t *testing.T) {
	var k Known
	for n := range 40 {
		var a Answer
		for i := range 4 {
			a.Addrs = append(a.Addrs, netip.AddrFrom4([4]byte{5, 0, byte(n), byte(i)}))
		}
		k, _ = k.Merge(a, 90*day, begin.Add(time.Duration(n)*time.Minute))
	}
	if len(k.Addresses) != 4+MaxAddresses || k.Addresses[0].Addr != netip.MustParseAddr("5.0.23.0") {
		t.Errorf("%d addresses from %v on", len(k.Addresses), k.Addresses[0].Addr)
	}
}

// TestFlood: answers full of new addresses do not push out older good ones.
func TestFlood(t *testing.T) {
	old := addrs("5.0.0.1 2a00::1")
	k, _ := Known{}.Merge(Answer{Addrs: old}, 30*day, begin)
	k, _ = k.Merge(Answer{Addrs: old}, 30*day, begin.Add(5*time.Minute))
	for n := range 6 {
		var a Answer
		for i := range MaxAddresses {
			a.Addrs = append(a.Addrs, netip.AddrFrom4([4]byte{6, 0, byte(n), byte(i)}), netip.AddrFrom16([16]byte{0x2a, 6, 14: byte(n), 15: byte(i)}))
		}
		k, _ = k.Merge(a, 30*day, begin.Add(time.Duration(n+1)*time.Hour))
		for _, addr := range slices.Concat(old, a.Addrs) {
			if !slices.Contains(k.Addrs(), addr) {
				t.Fatalf("after answer %d %v is not there", n, addr)
			}
		}
		if n := len(k.Addresses); n > 4*MaxAddresses {
			t.Fatalf("%d addresses", n)
		}
	}
}

// TestBoundOfWhatIsNotMissing: addresses are dropped in the order in which they were
// seen; those of the last answer stay even if the clock was set back before it.
func TestBoundOfWhatIsNotMissing(t *testing.T) {
	of := func(n int) []netip.Addr {
		var all []netip.Addr
		for i := range 40 {
			all = append(all, netip.AddrFrom4([4]byte{5, 0, byte(n), byte(i)}))
		}
		return all
	}
	for name, after := range map[string]time.Duration{"later": time.Hour, "the clock was set back": -365 * day} {
		k, _ := Known{}.Merge(Answer{Addrs: of(9)}, day, begin)
		for n := range 3 {
			partial := [2]bool{name == "later", false}
			k, _ = k.Merge(Answer{Addrs: of(n), Partial: partial, Err: errors.New("x")}, day, begin.Add(time.Duration(n+1)*after))
			for _, a := range of(n) {
				if !slices.Contains(k.Addrs(), a) {
					t.Fatalf("%s, answer %d: %v is not there", name, n, a)
				}
			}
		}
		if left := k.Left(); name == "later" && (len(left) != MaxAddresses || left[0].As4()[2] != 0 || left[24].As4()[2] != 1) {
			t.Errorf("%s: left %v", name, left)
		}
	}
}

// TestSeenStays: whatever the answers and the clock, an address that was in an answer
// within keep is known, and there are never too many.
func TestSeenStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keep := time.Duration(rapid.Int64Range(int64(time.Hour), int64(30*day)).Draw(t, "keep"))
		now, k := begin, Known{}
		seen := make(map[netip.Addr]time.Time)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(keep)).Draw(t, "after")))
			var a Answer
			for range rapid.IntRange(0, 4).Draw(t, "addresses") {
				addr := netip.AddrFrom4([4]byte{5, 0, 0, byte(rapid.IntRange(0, 20).Draw(t, "addr"))})
				if !slices.Contains(a.Addrs, addr) {
					a.Addrs = append(a.Addrs, addr)
				}
				seen[addr] = now
			}
			if len(a.Addrs) == 0 {
				a.Err = errors.New("none")
			}
			k, _ = k.Merge(a, keep, now)
			for addr, at := range seen {
				if now.Sub(at) < keep && !slices.Contains(k.Addrs(), addr) {
					t.Fatalf("%v, seen %v ago, is not among %v", addr, now.Sub(at), k.Addrs())
				}
			}
		}
	})
}

func TestReadKnown(t *testing.T) {
	// The format of a version that kept only the last answer, with any address.
	var k Known
	if err := json.Unmarshal([]byte(`{"addrs":["0.0.0.0","::ffff:5.0.0.1","10.0.0.1"],"at":"2026-11-01T12:00:00Z"}`), &k); err != nil {
		t.Fatal(err)
	}
	if words(k) != "5.0.0.1 10.0.0.1" || !k.Addresses[0].LastSeen.Equal(begin) || !k.At.Equal(begin) {
		t.Errorf("%+v", k)
	}
	k, _ = k.Merge(Answer{Addrs: addrs("5.0.0.2"), Servers: true}, 7*day, begin.Add(time.Hour))
	text, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	var back Known
	if err := json.Unmarshal(text, &back); err != nil || back.Moved == nil || !reflect.DeepEqual(back, k) {
		t.Errorf("%s\n%+v\n%+v, %v", text, back, k, err)
	}
}

func TestWhy(t *testing.T) {
	for text, want := range map[string]string{
		"0.0.0.0": "unspecified", "127.0.0.1": "loopback", "127.255.0.1": "loopback", "169.254.1.1": "link local", "224.0.0.5": "multicast",
		"240.0.0.1": "reserved", "255.255.255.255": "reserved", "192.0.2.1": "documentation", "198.18.0.1": "benchmarking",
		"::": "unspecified", "::1": "loopback", "::ffff:127.0.0.1": "loopback", "fe80::1": "link local", "ff02::1": "multicast",
		"2001:db8::1": "documentation", "64:ff9b::7f00:1": "loopback", "4000::1": "not global unicast", "100::1": "not global unicast",
		"5.0.0.1": "", "10.0.0.1": "", "172.16.0.1": "", "192.168.1.1": "", "100.64.0.1": "",
		"2a00::1": "", "fd00::1": "", "64:ff9b::5.0.0.1": "", "2002:500:1::1": "",
	} {
		if got := whyNoHost(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestCombine(t *testing.T) {
	host := func(texts ...string) hostAnswer {
		var h hostAnswer
		for f, text := range texts {
			h.add(f, addrs(text))
		}
		return h
	}
	for name, c := range map[string]struct {
		hosts   []hostAnswer
		unasked error
		want    string
	}{
		"nothing":              {[]hostAnswer{{}}, nil, "[] partial [true true]: no such host"},
		"sinkhole":             {[]hostAnswer{host("0.0.0.0", "::")}, nil, "[] partial [true true] no host: the answer is 0.0.0.0 (unspecified), which is no host's address"},
		"a sinkhole of one":    {[]hostAnswer{host("127.0.0.1", "2a00::1")}, nil, "[2a00::1] partial [true false] no host: the answer is 127.0.0.1 (loopback), which is no host's address"},
		"one of two":           {[]hostAnswer{host("0.0.0.0 5.0.0.1")}, nil, "[5.0.0.1] partial [false false]"},
		"servers only":         {[]hostAnswer{{}, host("5.0.0.2"), host("5.0.0.1")}, nil, "[5.0.0.1 5.0.0.2] partial [false false]"},
		"a server's sinkhole":  {[]hostAnswer{host("5.0.0.1"), {host: "a.example.", failed: [2]error{errors.New("down")}}}, nil, "[5.0.0.1] partial [true false]: its server a.example: down"},
		"no word of servers":   {[]hostAnswer{host("5.0.0.1")}, errors.New("SRV down"), "[5.0.0.1] partial [false false]: SRV down"},
		"the same twice":       {[]hostAnswer{host("5.0.0.1 ::ffff:5.0.0.1"), host("5.0.0.1")}, nil, "[5.0.0.1] partial [false false]"},
		"too many altogether":  {[]hostAnswer{many(0), many(40)}, nil, fmt.Sprint(combine([]hostAnswer{many(0)}, false, nil).Addrs) + " partial [true true]: its servers have more than 64 addresses: some of them are left out"},
		"as many as there may": {[]hostAnswer{many(0), many(24)}, nil, fmt.Sprint(combine([]hostAnswer{many(0), many(24)}, false, nil).Addrs) + " partial [false false]"},
	} {
		a := combine(c.hosts, false, c.unasked)
		got := fmt.Sprintf("%v partial %v", a.Addrs, a.Partial)
		if a.NoHost {
			got += " no host"
		}
		if a.Err != nil {
			got += ": " + a.Err.Error()
		}
		if got != c.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, c.want)
		}
	}
}

// many returns 40 consecutive addresses.
func many(from int) (h hostAnswer) {
	for i := range 40 {
		h.addrs = append(h.addrs, netip.AddrFrom4([4]byte{5, 0, 0, byte(from + i)}))
	}
	return h
}
