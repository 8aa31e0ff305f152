package main

import (
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/screen"
	"github.com/voipbl/voipbl/top"
)

func topReport() *top.Report {
	return &top.Report{
		At:   time.Date(2026, 3, 4, 5, 6, 7, 0, time.Local),
		Sets: []top.Set{{Name: "voip_bl", Exists: true, Packets: 1233, Bytes: 2000}, {Name: "voip_bl6", Exists: true, Packets: 1, Bytes: 48}},
		Rows: []top.Row{
			{Prefix: netip.MustParsePrefix("5.5.5.0/24"), Packets: 1233, Bytes: 2000, Feeds: []string{"voipbl", "mine"}, Rate: 12.25},
			{Prefix: netip.MustParsePrefix("2a00:1::7/128"), Packets: 1, Bytes: 48, Feeds: []string{}},
		},
		Warnings: []string{"feed mine: \x1b is damaged"},
	}
}

// TestTopText: piped, at the first sight of a terminal, and with rates.
func TestTopText(t *testing.T) {
	r := topReport()
	piped := `2026-03-04 05:06:07  1,234 packets dropped, 2.0 KiB

prefix      packets    bytes  feeds
5.5.5.0/24    1,233  2.0 KiB  voipbl, mine
2a00:1::7         1     48 B  no feed
`
	if diff := cmp.Diff(piped, topText(r, screen.Columns, false)); diff != "" {
		t.Error(diff)
	}
	first := `2026-03-04 05:06:07  1,234 packets dropped, 2.0 KiB
warning: feed mine: \x1b is damaged

prefix      packets  rate  feeds
5.5.5.0/24    1,233     -  voipbl, mine
2a00:1::7         1     -  no feed
`
	if diff := cmp.Diff(first, topText(r, screen.Columns, true)); diff != "" {
		t.Error(diff)
	}
	r.Rated, r.Rate, r.Warnings = true, 12345.6, nil
	second := `2026-03-04 05:06:07  1,234 packets dropped, 2.0 KiB, 12,345 per second

prefix      packets  rate  feeds
5.5.5.0/24    1,233  12.2  voipbl, mine
2a00:1::7         1  0.00  no feed
`
	if diff := cmp.Diff(second, topText(r, screen.Columns, true)); diff != "" {
		t.Error(diff)
	}
}

// TestTopWidth has the longest of everything side by side.
func TestTopWidth(t *testing.T) {
	r := topReport()
	r.Rated = true
	r.Rows = append(r.Rows, top.Row{
		Prefix: netip.MustParsePrefix("2a00:1111:2222:3333:4444:5555:6666:7778/126"), Packets: 9_999_999_999, Bytes: 1023 << 40, Rate: 999_999,
		Feeds: strings.Split(strings.Repeat("a-feed ", 40), " "),
	})
	for _, watched := range []bool{false, true} {
		text := topText(r, screen.Columns, watched)
		for line := range strings.Lines(text) {
			if n := utf8.RuneCountInString(line) - 1; n > screen.Columns {
				t.Errorf("%d columns: %q", n, line)
			}
		}
		if !strings.Contains(text, "7778/126  9,999,999,999  ") || !strings.Contains(text, "a-feed, a") {
			t.Errorf("%s", text)
		}
	}
}

// TestTopScreen fills a screen to its last line but one, whatever its size.
func TestTopScreen(t *testing.T) {
	a := &app{Screen: &screen.Screen{Out: &screen.Output{Terminal: true}}}
	t.Setenv("NO_COLOR", "")
	r := topReport()
	for _, size := range []struct{ width, height, lines int }{{80, 24, 7}, {80, 6, 5}, {200, 3, 2}, {20, 24, 7}, {1, 1, 1}} {
		frame := string(a.topScreen(r, size.width, size.height, "q or Ctrl-C ends"))
		body, home := strings.CutPrefix(frame, "\x1b[H")
		body, below := strings.CutSuffix(body, "\x1b[J")
		if !home || !below || strings.Count(body, "\n") != size.lines || strings.Count(body, "\x1b[K") != size.lines {
			t.Errorf("%+v: %q", size, frame)
		}
		if size.height > 3 && size.width > 20 && !strings.Contains(frame, "\x1b[33mwarning:\x1b[0m feed mine") {
			t.Errorf("%+v: the warning has no colour: %q", size, frame)
		}
		for line := range strings.Lines(strings.NewReplacer("\x1b[K", "", "\x1b[33m", "", "\x1b[0m", "").Replace(body)) {
			if n := screen.Width([]byte(line)); n > size.width {
				t.Errorf("%+v: %d columns: %q", size, n, line)
			}
		}
	}
	for _, test := range []struct{ asked, height, want int }{{0, 0, 20}, {0, 24, 19}, {0, 3, 1}, {0, 5000, 1000}, {7, 24, 7}, {100, 24, 100}} {
		if got := topRows(test.asked, test.height); got != test.want {
			t.Errorf("asked for %d on %d lines: %d, not %d", test.asked, test.height, got, test.want)
		}
	}
}
