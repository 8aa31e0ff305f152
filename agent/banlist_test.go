package agent

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/fetch"
)

var banned = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// banOf is a ban for some minutes from banned on; 0 is for ever.
func banOf(prefix string, minutes int) Ban {
	b := Ban{Prefix: netip.MustParsePrefix(prefix), At: banned}
	if minutes != 0 {
		b.Until = banned.Add(time.Duration(minutes) * time.Minute)
	}
	return b
}

// bansText is a list as text, for comparison.
func bansText(bans []Ban) string {
	var all []string
	for _, b := range bans {
		s := b.Prefix.String()
		if !b.Until.IsZero() {
			s += fmt.Sprintf("+%v", b.Until.Sub(banned))
		}
		if b.Reason != "" {
			s += " " + b.Reason
		}
		all = append(all, s)
	}
	return strings.Join(all, ", ")
}

func TestBanList(t *testing.T) {
	var l banList
	want := func(text string) {
		t.Helper()
		if got := bansText(l.Bans); got != text {
			t.Errorf("got  %s\nwant %s", got, text)
		}
	}
	if l.remove(netip.MustParsePrefix("192.0.2.1/32")) || l.expire(banned) || !l.nextExpiry().IsZero() || len(l.active(banned)) != 0 || l.sets(banned).Len() != 0 {
		t.Error("an empty list is not empty")
	}
	l.add(banOf("2001:db8::/32", 60))
	l.add(banOf("192.0.2.7/32", 0))
	l.add(banOf("192.0.2.0/24", 10))
	l.add(banOf("192.0.2.0/25", 20))
	l.add(banOf("9.9.9.9/32", 30))
	const all = "9.9.9.9/32+30m0s, 192.0.2.0/24+10m0s, 192.0.2.0/25+20m0s, 192.0.2.7/32, 2001:db8::/32+1h0m0s"
	want(all)
	if got := l.nextExpiry(); !got.Equal(banned.Add(10 * time.Minute)) {
		t.Errorf("the next is over at %v", got)
	}

	// The same prefix again: the new end and reason count.
	again := banOf("192.0.2.7/32", 5)
	again.Reason = "again"
	l.add(again)
	want("9.9.9.9/32+30m0s, 192.0.2.0/24+10m0s, 192.0.2.0/25+20m0s, 192.0.2.7/32+5m0s again, 2001:db8::/32+1h0m0s")
	if got := l.nextExpiry(); !got.Equal(banned.Add(5 * time.Minute)) {
		t.Errorf("the next is over at %v", got)
	}
	l.add(banOf("192.0.2.7/32", 0))
	want(all)

	// A wider or narrower network is another ban.
	for _, p := range []string{"192.0.2.0/26", "192.0.2.8/32", "2001:db8::/33", "0.0.0.0/0"} {
		if l.remove(netip.MustParsePrefix(p)) {
			t.Errorf("%s was taken out", p)
		}
	}
	want(all)
	if !l.remove(netip.MustParsePrefix("192.0.2.0/25")) || l.remove(netip.MustParsePrefix("192.0.2.0/25")) {
		t.Error("a ban is taken out not once")
	}
	want("9.9.9.9/32+30m0s, 192.0.2.0/24+10m0s, 192.0.2.7/32, 2001:db8::/32+1h0m0s")
}

func TestBansExpire(t *testing.T) {
	var l banList
	for _, b := range []Ban{banOf("9.9.9.9/32", 30), banOf("192.0.2.0/24", 10), banOf("192.0.2.7/32", 0), banOf("2001:db8::/32", 60)} {
		l.add(b)
	}
	for _, test := range []struct {
		at     time.Duration
		active string
		sets   string
	}{
		{-time.Hour, "9.9.9.9/32+30m0s, 192.0.2.0/24+10m0s, 192.0.2.7/32, 2001:db8::/32+1h0m0s", "9.9.9.9 192.0.2.0/24 2001:db8::/32"},
		{10*time.Minute - 1, "9.9.9.9/32+30m0s, 192.0.2.0/24+10m0s, 192.0.2.7/32, 2001:db8::/32+1h0m0s", "9.9.9.9 192.0.2.0/24 2001:db8::/32"},
		{10 * time.Minute, "9.9.9.9/32+30m0s, 192.0.2.7/32, 2001:db8::/32+1h0m0s", "9.9.9.9 192.0.2.7 2001:db8::/32"},
		{45 * time.Minute, "192.0.2.7/32, 2001:db8::/32+1h0m0s", "192.0.2.7 2001:db8::/32"},
		{1000 * time.Hour, "192.0.2.7/32", "192.0.2.7"},
	} {
		now := banned.Add(test.at)
		before := bansText(l.Bans)
		if got := bansText(l.active(now)); got != test.active {
			t.Errorf("after %v: active are %s, not %s", test.at, got, test.active)
		}
		var sets []string
		for _, f := range cidr.Families {
			for p := range l.sets(now)[f].All() {
				sets = append(sets, p.String())
			}
		}
		if got := strings.Join(sets, " "); got != test.sets {
			t.Errorf("after %v: the sets are %s, not %s", test.at, got, test.sets)
		}
		if after := bansText(l.Bans); after != before {
			t.Errorf("looking at the list has made %s of %s", after, before)
		}
		rest := banList{Bans: slices.Clone(l.Bans)}
		if some := rest.expire(now); some != (bansText(rest.Bans) != before) || bansText(rest.Bans) != test.active {
			t.Errorf("after %v: expired %v, which leaves %s", test.at, some, bansText(rest.Bans))
		}
		if next := rest.nextExpiry(); !next.IsZero() && !next.After(now) {
			t.Errorf("after %v: the next is over at %v", test.at, next)
		}
	}
}

// TestBanListAgainstAMap does the same to a list and to a map.
func TestBanListAgainstAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		drawPrefix := func(t *rapid.T) netip.Prefix {
			a := netip.AddrFrom4([4]byte{10, 0, 0, rapid.Uint8Range(0, 15).Draw(t, "address")})
			length := 32
			if rapid.Bool().Draw(t, "IPv6") {
				a, length = netip.AddrFrom16([16]byte{0x20, 1, 15: a.As4()[3]}), 128
			}
			return netip.PrefixFrom(a, length-rapid.IntRange(0, 4).Draw(t, "host bits")).Masked()
		}
		var l banList
		oracle := make(map[netip.Prefix]Ban)
		now := banned
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				b := Ban{Prefix: drawPrefix(t), At: now, Reason: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "reason")}
				if rapid.Bool().Draw(t, "for a time") {
					b.Until = now.Add(time.Duration(rapid.IntRange(1, 100).Draw(t, "minutes")) * time.Minute)
				}
				l.add(b)
				oracle[b.Prefix] = b
			},
			"remove": func(t *rapid.T) {
				p := drawPrefix(t)
				_, there := oracle[p]
				delete(oracle, p)
				if l.remove(p) != there {
					t.Fatalf("%s was there: %v", p, there)
				}
			},
			"expire": func(t *rapid.T) {
				before := len(oracle)
				maps.DeleteFunc(oracle, func(_ netip.Prefix, b Ban) bool { return !b.Until.IsZero() && !b.Until.After(now) })
				if l.expire(now) != (len(oracle) < before) {
					t.Fatalf("%d are left of %d", len(oracle), before)
				}
			},
			"wait": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 50).Draw(t, "minutes")) * time.Minute)
			},
			"": func(t *rapid.T) {
				if len(l.Bans) != len(oracle) {
					t.Fatalf("%d bans, want %d", len(l.Bans), len(oracle))
				}
				var active []Ban
				var prefixes []cidr.Prefix
				var next time.Time
				for i, b := range l.Bans {
					if b != oracle[b.Prefix] {
						t.Fatalf("%+v, want %+v", b, oracle[b.Prefix])
					}
					if i > 0 && cidr.FromNetip(l.Bans[i-1].Prefix).Compare(cidr.FromNetip(b.Prefix)) >= 0 {
						t.Fatalf("not in order: %s", bansText(l.Bans))
					}
					if b.Until.IsZero() || b.Until.After(now) {
						active = append(active, b)
						prefixes = append(prefixes, cidr.FromNetip(b.Prefix))
					}
					if !b.Until.IsZero() && (next.IsZero() || b.Until.Before(next)) {
						next = b.Until
					}
				}
				if got := l.active(now); !slices.Equal(got, active) {
					t.Fatalf("active %s, want %s", bansText(got), bansText(active))
				}
				got, want := l.sets(now), cidr.SetOf(prefixes...)
				if !got[cidr.IPv4].Equal(want[cidr.IPv4]) || !got[cidr.IPv6].Equal(want[cidr.IPv6]) {
					t.Fatalf("sets %v, want %v", got, want)
				}
				if got := l.nextExpiry(); !got.Equal(next) {
					t.Fatalf("the next is over at %v, not %v", got, next)
				}
			},
		})
	})
}

// TestMostBansFit: as many bans as there may be, each as long as it may be, are
// written down and read again.
func TestMostBansFit(t *testing.T) {
	for name, reason := range map[string]string{
		"letters":                 strings.Repeat("x", maxReason),
		"what JSON escapes":       strings.Repeat(`"\`, maxReason/2),
		"what JSON escapes worst": strings.Repeat("\x01", maxReason),
		"what is not UTF-8":       strings.Repeat("\xff", maxReason),
	} {
		t.Run(name, func(t *testing.T) {
			store := openStore(t)
			l := banList{Serial: 1<<63 - 1}
			for i := range maxBans {
				a := netip.AddrFrom16([16]byte{0x20, 0x01, 0x1d, 0xb8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x10 + byte(i>>8), byte(i)})
				l.add(Ban{Prefix: netip.PrefixFrom(a, 128), At: banned, Until: banned.AddDate(7000, 0, 0), Reason: reason})
			}
			if len(l.Bans) != maxBans {
				t.Fatalf("%d bans", len(l.Bans))
			}
			if err := store.WriteJSON(bansFile, l); err != nil {
				t.Fatal(err)
			}
			again, err := readBans(store)
			if err != nil {
				t.Fatal(err)
			}
			if again.Serial != l.Serial || len(again.Bans) != maxBans || again.Bans[7].Prefix != l.Bans[7].Prefix || !again.Bans[7].Until.Equal(l.Bans[7].Until) {
				t.Errorf("read again: serial %d, %d bans, %+v", again.Serial, len(again.Bans), again.Bans[7])
			}
		})
	}
}

func TestReadBans(t *testing.T) {
	if l, err := readBans(nil); err != nil || len(l.Bans) != 0 {
		t.Errorf("without a store: %+v, %v", l, err)
	}
	dir := t.TempDir() + "/state"
	store, err := fetch.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if l, err := readBans(store); err != nil || l.Serial != 0 || len(l.Bans) != 0 {
		t.Errorf("without a file: %+v, %v", l, err)
	}
	write := func(t *testing.T, text string) {
		if err := os.WriteFile(filepath.Join(dir, bansFile+".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(t, `{"serial": 7, "bans": [{"prefix": "192.0.2.1/32", "at": "2026-03-04T05:06:07Z"}]}`)
	if l, err := readBans(store); err != nil || l.Serial != 7 || bansText(l.Bans) != "192.0.2.1/32" {
		t.Errorf("%+v, %v", l, err)
	}
	for _, text := range []string{"", "{", `{"bans": 1}`, `{"bans": [{"prefix": "nonsense"}]}`} {
		write(t, text)
		var damaged *fetch.DamagedError
		if l, err := readBans(store); !errors.As(err, &damaged) || len(l.Bans) != 0 {
			t.Errorf("%q: %+v, %v", text, l, err)
		}
	}
	// A ban without a prefix must not take the program down.
	t.Run("no prefix", func(t *testing.T) {
		defer func() {
			if r := recover(); r != nil {
				t.Error("it panics: ", r)
			}
		}()
		for _, text := range []string{`{"bans": [{}]}`, `{"bans": [{"prefix": ""}]}`} {
			write(t, text)
			if l, err := readBans(store); err == nil {
				l.sets(banned)
			}
		}
	})
	// Whoever has edited the file can still take a ban back.
	t.Run("not in order", func(t *testing.T) {
		write(t, `{"bans": [{"prefix": "192.0.2.9/32"}, {"prefix": "192.0.2.1/32"}, {"prefix": "9.9.9.9/32"}]}`)
		l, err := readBans(store)
		if err != nil {
			return // to refuse it will do
		}
		for _, p := range []string{"192.0.2.9/32", "192.0.2.1/32", "9.9.9.9/32"} {
			if !l.remove(netip.MustParsePrefix(p)) {
				t.Errorf("%s is banned and is not found", p)
			}
		}
	})
}
