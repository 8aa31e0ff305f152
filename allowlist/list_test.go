package allowlist

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/checksum"
	"github.com/voipbl/voipbl/internal/deadline"
)

func host(t *testing.T, s string) config.Host {
	t.Helper()
	h, err := config.ParseHost(s)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func at(boot string, up time.Duration, wall time.Duration) deadline.Clock {
	return deadline.Clock{Boot: boot, Up: up, Wall: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC).Add(wall)}
}

// hosts returns the hosts of a list in words.
func hosts(l List) string {
	var words []string
	for _, e := range l.Entries {
		words = append(words, e.Host.String())
	}
	return strings.Join(words, " ")
}

// TestClocks: setting a clock never makes an entry last longer, and never ends it early
// while the host runs.
func TestClocks(t *testing.T) {
	begin := at("one", time.Hour, 0)
	l, err := List{}.With(New(host(t, "1.1.1.1"), "", time.Hour, begin))
	if err != nil {
		t.Fatal(err)
	}
	l, _ = l.With(New(host(t, "2.2.2.2"), "", 0, begin))
	l.Serial, l.Written = 1, begin
	const both, one = "1.1.1.1 2.2.2.2", "2.2.2.2"
	for _, test := range []struct {
		what string
		now  deadline.Clock
		want string
	}{
		{"in time", at("one", 2*time.Hour-1, time.Hour-1), both},
		{"over", at("one", 2*time.Hour, time.Hour), one},
		{"set back", at("one", 2*time.Hour, -24*time.Hour), one},
		{"set forward", at("one", 2*time.Hour-1, 24*time.Hour), both},
		{"a new boot, in time", at("two", time.Minute, time.Hour-1), both},
		{"a new boot, over", at("two", time.Minute, time.Hour), one},
		{"a new boot, years behind", at("two", 0, -10000*time.Hour), both},
		{"a new boot, years ahead", at("two", 0, 10000*time.Hour), both},
	} {
		now := l.At(test.now)
		if got := hosts(now); got != test.want {
			t.Errorf("%s: %s, not %s", test.what, got, test.want)
		}
		// Written at that time, the rest of its time counts by the clocks of that time.
		later := test.now
		later.Up, later.Wall = later.Up+time.Hour, later.Wall.Add(-time.Hour)
		if got := hosts(now.At(later)); got != one {
			t.Errorf("%s, an hour later: %s", test.what, got)
		}
	}
}

func TestWith(t *testing.T) {
	now := at("one", 0, 0)
	l := List{}
	for _, name := range []string{"b.example", "9.9.9.9", "2a00::1", "9.9.9.0/24", "9.9.9.9", "a.example"} {
		l, _ = l.With(New(host(t, name), "", 0, now))
	}
	if got, want := hosts(l), "9.9.9.0/24 9.9.9.9 2a00::1 a.example b.example"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
	for _, e := range l.Entries {
		if found, is := l.Find(e.Host); !is || found.Host != e.Host {
			t.Errorf("%s is not found: %v", e.Host, found)
		}
	}
	if e, is := l.Find(host(t, "9.9.9.8")); is {
		t.Errorf("9.9.9.8 is found: %v", e)
	}
	for i := len(l.Entries); i < Most; i++ {
		l, _ = l.With(New(host(t, fmt.Sprintf("11.1.%d.%d", i/250, i%250)), "", 0, now))
	}
	if _, err := l.With(New(host(t, "9.9.9.9"), "again", 0, now)); err != nil {
		t.Error(err)
	}
	if _, err := l.With(New(host(t, "8.8.8.8"), "", 0, now)); !errors.Is(err, errFull) {
		t.Error("a full list takes more")
	}
}

// TestFile: a written list is read back, and a change of any letter is noticed.
func TestFile(t *testing.T) {
	now := at("one", time.Hour, 0)
	l := List{Serial: 17, Written: now}
	l, _ = l.With(New(host(t, "1.1.1.1"), "a \"phone\"", time.Hour, now))
	l, _ = l.With(New(host(t, "x.example"), "", 0, now))
	text, err := json.Marshal(l.Encode())
	if err != nil {
		t.Fatal(err)
	}
	read := func(text []byte) (List, error) {
		var f File
		if err := json.Unmarshal(text, &f); err != nil {
			return List{}, err
		}
		return f.Decode()
	}
	got, err := read(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(l, got, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Error(diff)
	}
	for i, c := range text {
		if c < '0' || c > '9' {
			continue
		}
		other := []byte(string(text))
		other[i] = '0' + (c-'0'+1)%10
		if _, err := read(other); err == nil {
			t.Errorf("changed at %d: %s", i, other)
		}
	}
}

// TestSpoilt: a list with an empty entry is refused, even if its checksum is right.
func TestSpoilt(t *testing.T) {
	ends := at("one", time.Hour, 0)
	for what, row := range map[string]line{
		"":                        {Host: "1.1.1.1", For: time.Hour, Ends: &ends},
		"no host":                 {Host: "1.1.1.1.1"},
		"it lasts less than none": {Host: "1.1.1.1", For: -time.Hour, Ends: &ends},
		"it has no end":           {Host: "1.1.1.1", For: time.Hour},
	} {
		f := File{content: content{Serial: 1, Allowed: []line{{Host: "2.2.2.2"}, row}}}
		f.Sum = checksum.Of(f.content)
		_, err := f.Decode()
		if what == "" && err != nil {
			t.Error(err)
		} else if what != "" && (err == nil || !strings.Contains(err.Error(), "number 2 ")) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestUntil(t *testing.T) {
	now := at("one", time.Hour, time.Millisecond)
	if until := New(host(t, "1.1.1.1"), "", 0, now).Until(); !until.IsZero() {
		t.Errorf("without an end until %v", until)
	}
	if until, want := New(host(t, "1.1.1.1"), "", time.Hour, now).Until(), at("", 0, time.Hour).Wall; !until.Equal(want) {
		t.Errorf("until %v, not %v", until, want)
	}
}

// TestNewest: the newest valid copy counts. If the previous one could not be read when
// it was written, the entries of that one count, too.
func TestNewest(t *testing.T) {
	now := at("one", time.Hour, 0)
	list := func(serial int64, partial bool, names ...string) List {
		l := List{Serial: serial, Partial: partial, Written: now}
		for _, name := range names {
			l, _ = l.With(New(host(t, name), "", 0, now))
		}
		return l
	}
	for _, test := range []struct {
		copies []List
		want   string
	}{
		{nil, ""},
		{[]List{list(1, false, "1.1.1.1"), list(2, false, "2.2.2.2")}, "2.2.2.2"},
		{[]List{list(2, false), list(1, false, "2.2.2.2")}, ""},
		{[]List{list(3, true, "3.3.3.3")}, "3.3.3.3"},
		{[]List{list(3, true, "3.3.3.3"), list(1, false, "1.1.1.1"), list(2, false, "2.2.2.2")}, "2.2.2.2 3.3.3.3"},
		{[]List{list(3, true, "3.3.3.3"), list(2, true, "9.9.9.9"), list(1, false, "1.1.1.1")}, "1.1.1.1 3.3.3.3"},
		{[]List{list(2, false, "2.2.2.2"), list(2, false, "1.1.1.1")}, "2.2.2.2"}, // of two equals the first counts
		{[]List{list(3, true), list(2, false, "2.2.2.2"), list(2, false, "1.1.1.1")}, "2.2.2.2"},
	} {
		if got := hosts(Newest(test.copies)); got != test.want {
			t.Errorf("%v: %s, not %s", test.copies, got, test.want)
		}
	}
}
