package config

import (
	"strings"
	"testing"
	"time"
)

func TestFeedErrors(t *testing.T) {
	checkErrors(t, []errorCase{
		{"no feed", "feeds: []\n",
			"x:1:8: feeds: the list is empty: expected at least one feed; without this key it is the VoIPBL list"},
		{"no name", "feeds:\n  - path: /a\n",
			`x:2:5: feeds[0].name: this key is missing: expected up to 64 of a-z, 0-9, ".", "_" and "-", the first a letter or digit, such as "my-list"`},
		{"empty name", "feeds: [{name: '', path: /a}]\n",
			`x:1:16: feeds[0].name: bad name (""): expected up to 64 of a-z, 0-9, ".", "_" and "-", the first a letter or digit, such as "my-list"`},
		{"name with a slash", "feeds: [{name: ../a, path: /a}]\n",
			`x:1:16: feeds[0].name: bad name ("../a"): expected up to 64 of a-z, 0-9, ".", "_" and "-", the first a letter or digit, such as "my-list"`},
		{"name with a capital", "feeds: [{name: aB, path: /a}]\n",
			`x:1:16: feeds[0].name: bad name ("aB"): expected up to 64 of a-z, 0-9, ".", "_" and "-", the first a letter or digit, such as "my-list"`},
		{"name begins with a dot", "feeds: [{name: .a, path: /a}]\n",
			`x:1:16: feeds[0].name: bad name (".a"): expected up to 64 of a-z, 0-9, ".", "_" and "-", the first a letter or digit, such as "my-list"`},
		{"long name", "feeds: [{name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, path: /a}]\n",
			`x:1:16: feeds[0].name: bad name ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…"): expected up to 64 of a-z, 0-9, ".", "_" and "-", the first a letter or digit, such as "my-list"`},
		{"same name", "feeds:\n  - {name: a, path: /a}\n  - {name: b, path: /b}\n  - {name: a, path: /c}\n",
			`x:4:12: feeds[2].name: feeds[0] has the same name ("a"): expected a name of its own, as it becomes a file name`},
		{"no source", "feeds:\n  - name: a\n",
			`x:2:5: feeds[0]: neither url nor path is written: expected one of them, such as "url: https://voipbl.org/update/"`},
		{"two sources", "feeds:\n  - name: a\n    url: https://example.net/\n    path: /a\n",
			"x:4:11: feeds[0].path: both url and path are written: expected one of them; write two feeds for two sources"},
		{"source of a wrong type", "feeds: [{name: a, path: [/a]}]\n",
			`x:1:25: feeds[0].path: wrong type, a list: expected text, such as "/etc/voipbl/blocklist.d"`},
		{"relative path", "feeds: [{name: a, path: list.txt}]\n",
			`x:1:25: feeds[0].path: not an absolute path ("list.txt"): expected an absolute path such as "/etc/voipbl/blocklist.d"`},
		{"path not clean", "feeds: [{name: a, path: /etc//voipbl/}]\n",
			`x:1:25: feeds[0].path: path is not in its shortest form ("/etc//voipbl/"): expected "/etc/voipbl"`},
		{"root", "feeds: [{name: a, path: /}]\n",
			`x:1:25: feeds[0].path: the root directory ("/"): expected an absolute path such as "/etc/voipbl/blocklist.d"`},
		{"broken wildcards", "feeds: [{name: a, path: '/a/[a-'}]\n",
			`x:1:25: feeds[0].path: broken wildcards ("/a/[a-"): expected closed brackets, or \[ for a bracket in a name`},
		{"keys of a url", "feeds: [{name: a, path: /a, insecure: false, min_entries: 1, max_coverage: 5%, frozen_after: 1}]\n",
			`x:1:39: feeds[0].insecure: only a feed with a url has this key: expected no such key here
x:1:59: feeds[0].min_entries: only a feed with a url has this key: expected no such key here
x:1:76: feeds[0].max_coverage: only a feed with a url has this key: expected no such key here
x:1:94: feeds[0].frozen_after: only a feed with a url has this key: expected no such key here`},
		{"frozen after less than never", "feeds: [{name: a, url: https://example.net/, frozen_after: -1}]\n",
			"x:1:60: feeds[0].frozen_after: number out of range (-1): expected 0..10080, such as 10"},
		{"lost copies kept for ever", "limits: {keep_lost: 91d}\n",
			`x:1:21: limits.keep_lost: bad time ("91d"): expected 1h..90d, such as "7d" or "12h"`},
		{"key of a path", "feeds: [{name: a, url: https://example.net/, optional: true}]\n",
			"x:1:56: feeds[0].optional: only a feed with a path has this key: expected no such key here"},
		{"http", "feeds: [{name: a, url: http://example.net/}]\n",
			`x:1:24: feeds[0].url: URL with plain http ("http://example.net/"): expected https, or "insecure: true" to accept that anyone on the way can change the list`},
		{"ftp", "feeds: [{name: a, url: ftp://example.net/}]\n",
			`x:1:24: feeds[0].url: URL with neither https nor http ("ftp://example.net/"): expected a URL such as "https://voipbl.org/update/"`},
		{"no scheme", "feeds: [{name: a, url: example.net/list}]\n",
			`x:1:24: feeds[0].url: URL with neither https nor http ("example.net/list"): expected a URL such as "https://voipbl.org/update/"`},
		{"no host", "feeds: [{name: a, url: 'https:///list'}]\n",
			`x:1:24: feeds[0].url: URL without a valid host and port ("https:///list"): expected a URL such as "https://voipbl.org/update/"`},
		{"broken host", "feeds: [{name: a, url: 'https://192.0.2/list'}]\n",
			`x:1:24: feeds[0].url: URL without a valid host and port ("https://192.0.2/list"): expected a URL such as "https://voipbl.org/update/"`},
		{"bad port", "feeds: [{name: a, url: 'https://example.net:99999/'}]\n",
			`x:1:24: feeds[0].url: URL without a valid host and port ("https://example.net:99999/"): expected a URL such as "https://voipbl.org/update/"`},
		{"port of letters", "feeds: [{name: a, url: 'https://example.net:http/'}]\n",
			`x:1:24: feeds[0].url: bad URL ("https://example.net:xxxxx/"): expected a URL such as "https://voipbl.org/update/"`},
		{"host with a zone", "feeds: [{name: a, url: 'https://[fe80::1%25eth0]/'}]\n",
			`x:1:24: feeds[0].url: URL without a valid host and port ("https://[fe80::1%25eth0]/"): expected a URL such as "https://voipbl.org/update/"`},
		{"password", "feeds: [{name: a, url: 'https://me:secret@example.net/'}]\n",
			`x:1:24: feeds[0].url: URL with a user name or password: expected a URL such as "https://voipbl.org/update/"`},
		{"fragment", "feeds: [{name: a, url: 'https://example.net/#top'}]\n",
			`x:1:24: feeds[0].url: URL with a # part ("https://example.net/"): expected a URL that ends before it, as it is never sent`},
		{"space", "feeds: [{name: a, url: 'https://example.net/?a b'}]\n",
			`x:1:24: feeds[0].url: URL with a space, a control or a non-ASCII character ("https://example.net/?xxxxx"): expected such characters written as %XX, such as %20 for a space`},
		{"bad escape", "feeds: [{name: a, url: 'https://example.net/%zz'}]\n",
			`x:1:24: feeds[0].url: bad URL ("https://example.net/%zz"): expected a URL such as "https://voipbl.org/update/"`},
		{"long URL", "feeds: [{name: a, url: 'https://example.net/" + strings.Repeat("a", maxURL) + "'}]\n",
			`x:1:24: feeds[0].url: URL with more than 8000 characters ("https://example.net/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…"): expected a URL such as "https://voipbl.org/update/"`},
		{"four fields", "feeds: [{name: a, path: /a, schedule: '0 */4 * *'}]\n",
			`x:1:39: feeds[0].schedule: bad schedule ("0 */4 * *"): it has 4 fields: expected five fields such as "0 */4 * * *", or "@every 4h"`},
		{"empty schedule", "feeds: [{name: a, path: /a, schedule: ''}]\n",
			`x:1:39: feeds[0].schedule: bad schedule (""): it has 0 fields: expected five fields such as "0 */4 * * *", or "@every 4h"`},
		{"hour 24", "feeds: [{name: a, path: /a, schedule: '0 24 * * *'}]\n",
			`x:1:39: feeds[0].schedule: bad schedule ("0 24 * * *"): end of range (24) above maximum (23): 24: expected five fields such as "0 */4 * * *", or "@every 4h"`},
		{"commas", "feeds: [{name: a, path: /a, schedule: '0 , * * *'}]\n",
			`x:1:39: feeds[0].schedule: bad schedule ("0 , * * *"): a field is empty: expected five fields such as "0 */4 * * *", or "@every 4h"`},
		{"never", "feeds: [{name: a, path: /a, schedule: '0 0 31 2 *'}]\n",
			`x:1:39: feeds[0].schedule: bad schedule ("0 0 31 2 *"): no such day ever comes: expected five fields such as "0 */4 * * *", or "@every 4h"`},
		{"unknown descriptor", "feeds: [{name: a, path: /a, schedule: '@often'}]\n",
			`x:1:39: feeds[0].schedule: bad schedule ("@often"): unknown word after the @: expected five fields such as "0 */4 * * *", or "@every 4h"`},
		{"time zone", "feeds: [{name: a, path: /a, schedule: 'CRON_TZ=UTC 0 * * * *'}]\n",
			`x:1:39: feeds[0].schedule: bad schedule ("CRON_TZ=UTC 0 * * * *"): it is always in the host's time zone: expected five fields such as "0 */4 * * *", or "@every 4h"`},
		{"time zone alone", "feeds: [{name: a, path: /a, schedule: TZ=}]\n",
			`x:1:39: feeds[0].schedule: bad schedule ("TZ="): it is always in the host's time zone: expected five fields such as "0 */4 * * *", or "@every 4h"`},
		{"long schedule", "feeds: [{name: a, path: /a, schedule: '0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0 * * * *'}]\n",
			`x:1:39: feeds[0].schedule: bad schedule ("0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,…"): too long or not plain text: expected five fields such as "0 */4 * * *", or "@every 4h"`},
		{"too often for a URL", "feeds: [{name: a, url: https://example.net/, schedule: '@every 59s'}]\n",
			`x:1:56: feeds[0].schedule: bad schedule ("@every 59s"): more often than every 1m: expected five fields such as "0 */4 * * *", or "@every 4h"`},
		{"too often for a path", "feeds: [{name: a, path: /a, schedule: '@every 10ms'}]\n",
			`x:1:39: feeds[0].schedule: bad schedule ("@every 10ms"): more often than every 1s: expected five fields such as "0 */4 * * *", or "@every 4h"`},
		{"negative time", "feeds: [{name: a, path: /a, schedule: '@every -1h'}]\n",
			`x:1:39: feeds[0].schedule: bad schedule ("@every -1h"): more often than every 1s: expected five fields such as "0 */4 * * *", or "@every 4h"`},
		{"negative splay", "feeds: [{name: a, url: https://example.net/, splay: -1m}]\n",
			`x:1:53: feeds[0].splay: bad time ("-1m"): expected a time up to 24h, such as "15m", "0" for none, or "auto"`},
		{"splay of two days", "feeds: [{name: a, url: https://example.net/, splay: 2d}]\n",
			`x:1:53: feeds[0].splay: bad time ("2d"): expected a time up to 24h, such as "15m", "0" for none, or "auto"`},
		{"splay of a path", "feeds: [{name: a, path: /a, splay: 1m}]\n",
			`x:1:36: feeds[0].splay: only a feed with a url has this key: expected no such key here`},
		{"negative entries", "feeds: [{name: a, url: https://example.net/, min_entries: -1}]\n",
			"x:1:59: feeds[0].min_entries: number out of range (-1): expected 0..134217728, such as 1"},
		{"too many entries", "feeds: [{name: a, url: https://example.net/, min_entries: 134217729}]\n",
			"x:1:59: feeds[0].min_entries: number out of range (134217729): expected 0..134217728, such as 1"},
		{"share without a sign", "feeds: [{name: a, url: https://example.net/, max_coverage: 0.05}]\n",
			`x:1:60: feeds[0].max_coverage: bad percentage ("0.05"): expected more than 0% and at most 100%, with up to four decimals, such as "5%" or "0.5%"`},
		{"no share", "feeds: [{name: a, url: https://example.net/, max_coverage: 0%}]\n",
			`x:1:60: feeds[0].max_coverage: bad percentage ("0%"): expected more than 0% and at most 100%, with up to four decimals, such as "5%" or "0.5%"`},
		{"share beyond all", "feeds: [{name: a, url: https://example.net/, max_coverage: 100.1%}]\n",
			`x:1:60: feeds[0].max_coverage: bad percentage ("100.1%"): expected more than 0% and at most 100%, with up to four decimals, such as "5%" or "0.5%"`},
		{"share too fine", "feeds: [{name: a, url: https://example.net/, max_coverage: 0.00001%}]\n",
			`x:1:60: feeds[0].max_coverage: bad percentage ("0.00001%"): expected more than 0% and at most 100%, with up to four decimals, such as "5%" or "0.5%"`},
	})
}

// TestFeedsReplace: a written list of feeds replaces the built-in one.
func TestFeedsReplace(t *testing.T) {
	c := mustParse(t, "feeds: [{name: mine, path: '/srv/lists/*[0-9].txt'}]\n")
	if len(c.Feeds) != 1 || c.Feeds[0].Name != "mine" {
		t.Errorf("got %+v", c.Feeds)
	}
}

// TestSchedule: a schedule is always in the host's time zone.
func TestSchedule(t *testing.T) {
	at := time.Date(2026, 1, 1, 5, 30, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"0 */4 * * *":     150 * time.Minute,
		"@hourly":         30 * time.Minute,
		"@every 4h":       4 * time.Hour,
		"*/7 * * * *":     5 * time.Minute,
		"0 8 * * mon-fri": 150 * time.Minute,
	} {
		s, f := parseSchedule(text, minEveryURL)
		if f != nil {
			t.Errorf("%q: %s", text, f.problem)
			continue
		}
		if got := s.Next(at).Sub(at); got != want || s.String() != text {
			t.Errorf("%q fires in %v, want %v; String() = %q", text, got, want, s)
		}
	}
}
