package banlist

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// journal returns the lines of bans, all written at one moment.
func journal(now Clock, bans ...Ban) []byte {
	var b []byte
	for _, ban := range bans {
		b = AppendBan(b, ban, now)
	}
	return b
}

func TestJournal(t *testing.T) {
	then := at(time.Hour)
	lines := journal(then, New(prefix("192.0.2.1"), "a", time.Hour, then), New(prefix("192.0.2.2"), "", 0, then), New(prefix("2001:db8::/64"), "a", time.Minute, then))
	lines = AppendUnban(lines, New(prefix("192.0.2.1"), "b", 0, then), then) // not in the table
	lines = AppendUnban(lines, New(prefix("192.0.2.2"), "", 0, then), then)
	now := at(time.Hour + 30*time.Minute)
	j := Decode(lines, now)
	wantBans(t, j.Table, now, "192.0.2.1 a 30m0s")
	if until := j.Table.Find(prefix("192.0.2.1"), "")[0].Until; !until.Equal(then.Wall.Add(time.Hour)) {
		t.Errorf("until %v", until)
	}
	if b := Decode(journal(then, New(prefix("192.0.2.2"), "", 0, then)), then).Table.Bans(then)[0]; !b.Until.IsZero() {
		t.Errorf("a ban without an end is until %v", b.Until)
	}
	if j.Cut || len(j.Damaged) > 0 || j.Lines != 5 || j.Size != int64(len(lines)) || j.Last.Leapt(then) || j.Last.Up != then.Up {
		t.Errorf("%+v", j)
	}
	// A rewritten journal has the same bans.
	wantBans(t, Decode(j.Table.Encode(now), now).Table, now, "192.0.2.1 a 30m0s")
}

// TestCutJournal: wherever the journal is cut, all complete lines are read, and Size is
// where they end.
func TestCutJournal(t *testing.T) {
	then := at(0)
	whole := journal(then, New(prefix("192.0.2.1"), "", 0, then))
	lines := journal(then, New(prefix("192.0.2.1"), "", 0, then), New(prefix("192.0.2.2"), "x", time.Hour, then))
	for n := len(whole) + 1; n < len(lines); n++ {
		j := Decode(lines[:n], then)
		if !j.Cut || len(j.Damaged) > 0 || j.Size != int64(len(whole)) {
			t.Fatalf("after %d bytes: %+v", n, j)
		}
		wantBans(t, j.Table, then, "192.0.2.1 ever")
	}
}

func TestDamagedJournal(t *testing.T) {
	then := at(0)
	sum := regexp.MustCompile(` [0-9a-f]{8} "`)
	good := sum.ReplaceAllString(string(journal(then, New(prefix("192.0.2.1"), "", 0, then))), ` "`) // as written by hand
	for _, bad := range []string{
		"\n", "{}\n", "\x00\x00\x00\n", good[:len(good)/2] + "\n", strings.Replace(good, "ban ", "what ", 1), good[:len(good)-2] + "\n",
		strings.Replace(good, "192.0.2.1/32", "192.0.2.1", 1), strings.Replace(good, "192.0.2.1/32", "0.0.0.0/0", 1), strings.Replace(good, " - ", " ", 1), strings.Replace(good, " 0 0 0 ", " -1 0 0 ", 1),
		strings.Replace(good, " 0 0 0 ", " 0 0 -1 ", 1), strings.Replace(good, " one 0 ", " one -1 ", 1),
	} {
		j := Decode([]byte(good+bad+strings.Replace(good, "192.0.2.1", "192.0.2.2", 1)), then)
		if len(j.Damaged) != 1 || j.Damaged[0] != 2 || j.Cut {
			t.Errorf("%q: %+v", bad, j)
		}
		wantBans(t, j.Table, then, "192.0.2.1 ever, 192.0.2.2 ever")
		table := NewTable()
		table.Replay([]byte(good+bad+strings.Replace(good, "192.0.2.1", "192.0.2.2", 1)), then)
		wantBans(t, table, then, "192.0.2.1 ever, 192.0.2.2 ever")
	}
}

// TestSpellings: a prefix with host bits, or an IPv4 prefix in IPv6 form, is read as the
// kernel knows it.
func TestSpellings(t *testing.T) {
	then := at(0)
	for text, want := range map[string]string{"192.0.2.77/24": "192.0.2.0/24", "::ffff:192.0.2.1/128": "192.0.2.1", "2001:DB8::7/64": "2001:db8::/64"} {
		table := Decode(fmt.Appendf(nil, "ban %s - 0 0 0 0 one 0 0 \"\"\n", text), then).Table
		if bans := table.Bans(then); len(bans) != 1 || bans[0].Prefix != prefix(want) {
			t.Errorf("%s: %v", text, bans)
		}
		table.Replay(fmt.Appendf(nil, "unban %s - 0 0 0 0 one 0 0 \"\"\n", want+map[bool]string{false: "/32"}[strings.Contains(want, "/")]), then)
		if table.Len() != 0 {
			t.Errorf("%s is not taken back as %s", text, want)
		}
	}
	table, err := DecodeOld([]byte(`{"bans": [{"prefix": "::ffff:192.0.2.1/128"}]}`), then, [2]int{8, 19})
	if bans := table.Bans(then); err != nil || len(bans) != 1 || bans[0].Prefix != prefix("192.0.2.1") {
		t.Errorf("%v, %v", bans, err)
	}
}

// TestChangedJournal: any changed byte is noticed or does not change the list.
func TestChangedJournal(t *testing.T) {
	then := at(0)
	lines := journal(then, New(prefix("192.0.2.1"), "", 0, then), New(prefix("192.0.2.2"), "x", time.Hour, then), with(New(prefix("192.0.2.3"), "y", time.Hour, then), `5 "wrong" passwords`))
	lines = AppendUnban(lines, New(prefix("192.0.2.1"), "", 0, then), then)
	for i := range lines {
		for bit := range 8 {
			changed := bytes.Clone(lines)
			changed[i] ^= 1 << bit
			if j := Decode(changed, then); len(j.Damaged) == 0 && !j.Cut && !bytes.EqualFold(changed, lines) {
				t.Errorf("%q is read", changed)
			}
		}
	}
}

// TestEvidence: what a banned address did is kept, and belongs to no other ban.
func TestEvidence(t *testing.T) {
	then := at(0)
	seen := func(text string) Ban { return with(New(prefix("192.0.2.1"), "seen", time.Hour, then), text) }
	lines := journal(then, seen("first"), New(prefix("192.0.2.2"), "seen", 0, then), seen(`3 "wrong" passwords`))
	table := Decode(lines, then).Table
	var why []string
	for _, b := range table.Bans(then) {
		why = append(why, b.Why())
	}
	if got := strings.Join(why, ", "); got != `seen: 3 "wrong" passwords, seen` || table.Count("seen") != 2 || table.Count("other") != 0 {
		t.Errorf("%s", got)
	}
	if got := Decode(table.Encode(then), then).Table.Bans(then); !slices.Equal(got, table.Bans(then)) {
		t.Errorf("written again: %v", got)
	}
}

func with(b Ban, evidence string) Ban {
	b.Evidence = evidence
	return b
}

// TestClockLeaps: however the clocks are set, a ban of an hour is not lost and does not
// last longer than another hour.
func TestClockLeaps(t *testing.T) {
	then := at(time.Hour) // 06:06:07
	lines := journal(then, New(prefix("192.0.2.1"), "", time.Hour, then))
	wall := func(c Clock, by time.Duration) Clock {
		c.Wall = c.Wall.Add(by)
		return c
	}
	booted := func(up, wall time.Duration) Clock {
		return Clock{Boot: "two", Up: up, Wall: then.Wall.Add(wall)}
	}
	const year = 365 * 24 * time.Hour
	for name, test := range map[string]struct {
		now  Clock
		want string
	}{
		"nothing":                              {at(time.Hour + 20*time.Minute), "192.0.2.1 40m0s"},
		"forward":                              {wall(at(time.Hour+20*time.Minute), 10*year), "192.0.2.1 40m0s"},
		"back":                                 {wall(at(time.Hour+20*time.Minute), -10*year), "192.0.2.1 40m0s"},
		"over, and the clock was set back":     {wall(at(2*time.Hour), -10*year), ""},
		"a boot":                               {booted(time.Minute, 20*time.Minute), "192.0.2.1 40m0s"},
		"a boot, and over":                     {booted(time.Minute, 61*time.Minute), ""},
		"a boot, and long over":                {booted(time.Minute, 170*24*time.Hour), ""},
		"a boot without a clock":               {booted(time.Minute, -50*year), "192.0.2.1 1h0m0s"},
		"a boot with a clock years ahead":      {booted(time.Minute, 10*year), "192.0.2.1 1h0m0s"},
		"a boot with a clock that is too late": {booted(time.Minute, 10*time.Minute), "192.0.2.1 50m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			table := Decode(lines, test.now).Table
			wantBans(t, table, test.now, test.want)
			if table.Len() > 0 && test.want == "" {
				t.Error("what is over is in the table")
			}
		})
	}

	// The clock was years ahead when the ban was made and is right after the boot, and
	// the other way round.
	for _, leap := range []time.Duration{10 * year, -10 * year} {
		said := wall(then, leap)
		lines := journal(said, New(prefix("192.0.2.1"), "", time.Hour, said))
		// Rewritten when the change of the clock was noticed, with half an hour left.
		noticed := at(time.Hour + 30*time.Minute)
		if !noticed.Leapt(said) || noticed.Leapt(then) {
			t.Error("the leap is not noticed")
		}
		lines = Decode(lines, noticed).Table.Encode(noticed)
		now := booted(time.Minute, 40*time.Minute)
		wantBans(t, Decode(lines, now).Table, now, "192.0.2.1 20m0s")
	}

	// Two boots ago; the boot in between has written another line.
	more := append(slices.Clip(lines), journal(booted(time.Minute, 10*time.Minute), New(prefix("192.0.2.2"), "", 0, then))...)
	for name, wall := range map[string]time.Duration{"192.0.2.1 40m0s": 20 * time.Minute, "192.0.2.1 50m0s": 10 * year} {
		now := Clock{Boot: "three", Up: time.Minute, Wall: then.Wall.Add(wall)}
		wantBans(t, Decode(more, now).Table, now, name+", 192.0.2.2 ever")
	}

	// Bans read after a boot are counted by that boot's clock, and Until is the time
	// that the wall clock will show.
	now := booted(time.Minute, 20*time.Minute)
	table := Decode(lines, now).Table
	later := wall(booted(11*time.Minute, 30*time.Minute), 3*year)
	wantBans(t, table, later, "192.0.2.1 30m0s")
	if until := table.Bans(later)[0].Until; !until.Equal(later.Wall.Add(30 * time.Minute)) {
		t.Errorf("until %v", until)
	}
	if !now.Leapt(then) {
		t.Error("another boot is no leap")
	}
}

// TestOldList reads the list in the previous version's format.
func TestOldList(t *testing.T) {
	now := at(0)
	old := fmt.Sprintf(`{"serial": 17, "bans": [
	  {"prefix": "192.0.2.1/32", "at": %[1]q, "until": %[2]q, "reason": "guessing"},
	  {"prefix": "192.0.2.2/32", "at": %[1]q},
	  {"prefix": "192.0.2.3/32", "at": %[1]q, "until": %[1]q},
	  {"prefix": "192.0.2.0/24", "at": %[3]q, "until": %[4]q}]}`,
		now.Wall.Add(-time.Hour).Format(time.RFC3339), now.Wall.Add(time.Hour).Format(time.RFC3339),
		now.Wall.Add(100*time.Hour).Format(time.RFC3339), now.Wall.Add(101*time.Hour).Format(time.RFC3339))
	table, err := DecodeOld([]byte(old), now, [2]int{8, 19})
	if err != nil {
		t.Fatal(err)
	}
	// The last was made by a clock that was ahead; it lasts no longer than it was made
	// for.
	wantBans(t, table, now, "192.0.2.0/24 1h0m0s, 192.0.2.1 guessing 1h0m0s, 192.0.2.2 ever")
	for _, bad := range []struct{ text, want string }{
		{"", ""}, {"{", ""}, {`{"bans": [{}]}`, ""}, {`{"bans": [{"prefix": "0.0.0.0/0"}]}`, ""}, {`{"bans": 1}`, ""},
		{`{"bans": [{}, {"prefix": "192.0.2.2/32"}]}`, "192.0.2.2 ever"},
		{`{"serial": 3, "bans": [{"prefix": "192.0.2.2/32", "reason": "x"}, {"prefix": "192.0.2.3/32", "un`, "192.0.2.2 x ever, 192.0.2.3 unknown: from a damaged list ever"},
		{`{"serial": 3, "bans": [{"prefix": "192.0.2.2/32"}, {"prefix": "192.0.2.`, "192.0.2.2 ever"},
		{`{"bans": [{"prefix": "192.0.2.2/32", "at": 7}, {"prefix": "0.0.0.0/0"}, {"prefix": "192.0.2.4/32"}]}`, "192.0.2.2 unknown: from a damaged list ever, 192.0.2.4 ever"},
		{`{"bans": [{"prefix": "203.9.9.1/3"", "at": "x"}, {"prefix": "192.0.2.2/32"}]}`, "192.0.2.2 ever, 203.9.9.1 unknown: from a damaged list ever"},
		{`{"bans": [{"prefix": "2001:db8::1/12"", "at": "x"}, {"prefix": "192.0.2.0/2", "at"`, "192.0.2.0 unknown: from a damaged list ever, 2001:db8::1 unknown: from a damaged list ever"},
		{`{"bans": [{"prefix": "192.0.0.0/3", "reason": "x"}, {"prefix": "2001:db8::/64", "at`, "192.0.0.0 x ever, 2001:db8::/64 unknown: from a damaged list ever"},
		{`{"bans": [{"prefix": "203.9.9.1/12"}, {"prefix": "2001:db8::1/28"}]}`, "203.9.9.1 ever, 2001:db8::1 ever"},
		{`{"bans": [{"prefix": "203.0.0.0/8"}, {"prefix": "192.0.0.0/3", "at": 7}, {"prefix": "2001:db8::1/64", "at": 7}`, "192.0.0.0 unknown: from a damaged list ever, 203.0.0.0/8 ever, 2001:db8::1 unknown: from a damaged list ever"},
		{`{"bans": [{"prefix": "203.9.9.1/0"}, {"prefix": "203.9.9.1/12", "at": 7}`, "203.9.9.1 unknown: from a damaged list ever"},
		{"\x00\x00" + old[2:], "192.0.2.0/24 1h0m0s, 192.0.2.1 guessing 1h0m0s, 192.0.2.2 ever"},
	} {
		table, err := DecodeOld([]byte(bad.text), now, [2]int{8, 19})
		if err == nil {
			t.Errorf("%q is read", bad.text)
		}
		wantBans(t, table, now, bad.want)
	}
	_, err = DecodeOld([]byte(`{"bans": [{"prefix": "192.0.2.2/32"}, {}, {"prefix": "203.9.9.1/12"}]}`), now, [2]int{8, 19})
	if want := "the prefix of 2 of its bans is damaged, the first is number 2"; err == nil || err.Error() != want {
		t.Errorf("%v, not: %s", err, want)
	}
}

// TestJournalIsTheTable: after any changes, at any time, reading the journal gives the
// table.
func TestJournalIsTheTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table, replayed, up := NewTable(), NewTable(), time.Duration(0)
		var lines []byte
		for range rapid.IntRange(0, 40).Draw(t, "changes") {
			up += time.Duration(rapid.IntRange(0, 600).Draw(t, "later")) * time.Second
			now := at(up)
			ban := New(
				prefix(rapid.SampledFrom([]string{"192.0.2.1", "192.0.2.0/24", "2001:db8::/64"}).Draw(t, "prefix")),
				rapid.SampledFrom([]string{"", "a", "b \"quoted\"\n"}).Draw(t, "reason"),
				time.Duration(rapid.IntRange(0, 1000).Draw(t, "for"))*time.Second, now)
			read := len(lines)
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				table.Remove(ban)
				lines = AppendUnban(lines, ban, now)
			case 1:
				table.Expire(now)
				lines, replayed, read = table.Encode(now), NewTable(), 0
			default:
				table.Add(ban)
				lines = AppendBan(lines, ban, now)
			}
			if got, want := text(Decode(lines, now).Table.Bans(now), now), text(table.Bans(now), now); got != want {
				t.Fatalf("the journal says %s, the table %s", got, want)
			}
			replayed.Replay(lines[read:], now)
			if got, want := text(replayed.Bans(now), now), text(table.Bans(now), now); got != want {
				t.Fatalf("line by line the journal says %s, the table %s", got, want)
			}
		}
	})
}
