package config

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestSyntaxErrors(t *testing.T) {
	checkErrors(t, []errorCase{
		{"not closed", "feeds: [\n",
			`x:1:8: the bracket that opens here is not closed: expected "]" where it ends`},
		{"not closed, and much follows", "feeds:\n  - {name: a, path: /x\n# c\nallow: [1.2.3.4]\nset: a\n",
			`x:2:5: the bracket that opens here is not closed: expected "}" where it ends`},
		{"the inner one is not closed", "firewall: {base: true, trunks: [a.example, b.example}\nset: a\n",
			`x:1:32: the bracket that opens here is not closed: expected "]" where it ends`},
		{"another one closes it", "allow: {1.2.3.4]\n",
			`x:1:8: the bracket that opens here is not closed: expected "}" where it ends`},
		{"a quote ends at the next one", "feeds: [{name: a, path: \"/x}]\nallow: []\nset: \"x\"\n",
			`x:1:25: the quote that opens here is not closed: expected another one where the text ends, on the same line`},
		{"quote not closed", "set: 'voip_bl\n",
			`x:1:6: the quote that opens here is not closed: expected another one where the text ends, on the same line`},
		{"tab", "limits:\n	widest: 8\n",
			"x:2:1: a tab: expected blanks: YAML takes no tabs to indent"},
		{"tab before a key", "\tallow: []\n",
			"x:1:6: a tab: expected blanks: YAML takes no tabs to indent"},
		{"tab before a dash", "allow:\n\t- 1.2.3.4\n",
			"x:2:1: a tab: expected blanks: YAML takes no tabs to indent"},
		{"closed and not opened", "allow: ]\n",
			"x:1:8: the bracket that closes here was not opened: expected one that opens before it"},
		{"no comma", "allow: [[a] [b]]\n",
			`x:1:13: a comma between elements is missing, or there is one too many: expected one "," between two`},
		{"backslash", "run_dir: \"C:\\pbx\"\n",
			"x:1:14: a backslash in double quotes that YAML does not know: expected single quotes, in which it means nothing"},
		{"two values", "set: a: b\n",
			`x:1:6: a key, or a colon, where none can be: expected one key on a line, and quotes around text with ": " in it`},
		{"reserved", "set: @x\n",
			"x:1:6: text that begins with \"@\" or \"`\": expected quotes around it"},
		{"bad indent", "limits:\n  widest: 8\n widest6: 19\n",
			`x:3:2: this does not fit what stands above it: expected the same indentation for all that belongs together`},
		{"not UTF-8", "set: voip_bl\nrun_dir: /caf\xe9\n",
			"x:2:14: byte 0xe9 is not UTF-8: expected UTF-8 text"},
		{"control character", "set: voip\x00bl\n",
			"x:1:10: control character 0x00: expected text without control characters"},
		{"delete character", "set: voip_bl # é\x7f\n",
			"x:1:17: control character 0x7f: expected text without control characters"},
		{"second document", "set: a\n---\nset: b\n",
			"x:2:1: a second YAML document begins: expected one; remove what follows"},
		{"second empty document", "set: a\n---\n",
			"x:2:1: a second YAML document begins: expected one; remove what follows"},
		{"text after the end", "set: a\n...\nset: b\n",
			"x:3:1: a second YAML document begins: expected one; remove what follows"},
		{"anchor", "allow: &all [192.0.2.1]\n",
			"x:1:8: YAML anchors (&) are not supported: expected every value written out in its place"},
		{"alias", "allow: *all\n",
			"x:1:8: YAML aliases (*) are not supported: expected every value written out in its place"},
		{"merge key", "limits:\n  <<: {widest: 8}\n",
			"x:2:3: YAML merge keys (<<) are not supported: expected every value written out in its place"},
		{"tag", "set: !!str 1\n",
			"x:1:6: YAML tags (!) are not supported: expected every value written out in its place"},
		{"directive", "%YAML 1.2\n---\nset: a\n",
			"x:1:1: YAML directives (%) are not supported: expected every value written out in its place"},
		{"complex key", "? set\n: a\n",
			"x:1:1: YAML complex keys (?) are not supported: expected every value written out in its place"},
		{"duplicate key", "set: a\nlimits:\n  widest: 8\n  widest: 9\nset: b\n",
			`x:4:3: limits.widest: key "widest" is written twice: expected one; the first is on line 3
x:5:1: set: key "set" is written twice: expected one; the first is on line 1`},
		{"unknown key, near", "sett: a\n",
			`x:1:1: unknown key "sett": did you mean "set"?`},
		{"unknown key, swapped letters", "feeds:\n  - {name: a, path: /a, shcedule: '@daily'}\n",
			`x:2:25: feeds[0]: unknown key "shcedule": did you mean "schedule"?`},
		{"unknown key, far", "blocklist: a\n",
			`x:1:1: unknown key "blocklist": expected one of set, ban_set, known_set, state_dir, run_dir, feeds, on_impact, allow, names, bans, limits, shape, firewall, metrics, report, pbx, fleet`},
		{"a key that belongs elsewhere", "base: true\nmin_entries: 5\nlimits: {public: true}\nname: a\n",
			`x:1:1: unknown key "base": did you mean "firewall.base"?
x:2:1: unknown key "min_entries": did you mean "feeds[].min_entries"?
x:3:10: limits: unknown key "public": did you mean "firewall.sip.public"?
x:4:1: unknown key "name": did you mean "names"?`},
		{"unknown key below", "firewall:\n  sip:\n    port: 5060\n    tls: true\n",
			`x:3:5: firewall.sip: unknown key "port": did you mean "ports"?
x:4:5: firewall.sip: unknown key "tls": expected one of public, ports`},
		{"unknown key, long and odd", "\"k\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\nk\\n\": a\n",
			`x:1:1: unknown key "k\nk\nk\nk\nk\nk\nk\nk\nk\nk\nk\nk\nk\nk\nk\nk\nk\nk\nk\nk\nk\nk\nk\nk\nk\nk\nk\nk\nk\nk\nk\nk\n…": expected one of set, ban_set, known_set, state_dir, run_dir, feeds, on_impact, allow, names, bans, limits, shape, firewall, metrics, report, pbx, fleet`},
		{"unknown key, empty", "\"\": a\n",
			`x:1:1: unknown key "": expected one of set, ban_set, known_set, state_dir, run_dir, feeds, on_impact, allow, names, bans, limits, shape, firewall, metrics, report, pbx, fleet`},
		{"number as a key", "1: a\n",
			`x:1:1: unknown key "1": expected one of set, ban_set, known_set, state_dir, run_dir, feeds, on_impact, allow, names, bans, limits, shape, firewall, metrics, report, pbx, fleet`},
		{"text instead of keys", "just text\n",
			`x:1:1: wrong type, text ("just text"): expected keys with values, such as {set: voip_bl}`},
		{"list instead of keys", "- set: a\n",
			"x:1:1: wrong type, a list: expected keys with values, such as {set: voip_bl}"},
		{"text instead of keys below", "limits: 8\n",
			`x:1:9: limits: wrong type, a number ("8"): expected keys with values, such as {timeout: 60s}`},
		{"text instead of a list", "allow: 192.0.2.1\n",
			`x:1:8: allow: wrong type, text ("192.0.2.1"): expected a list, such as [203.0.113.10]`},
		{"keys instead of a list", "feeds:\n  name: a\n",
			"x:2:3: feeds: wrong type, keys with values: expected a list, such as [{name: local, path: /etc/voipbl/blocklist.d}]"},
		{"list instead of text", "set: [a]\n",
			`x:1:6: set: wrong type, a list: expected text, such as "voip_bl"`},
		{"keys instead of text", "set: {a: b}\n",
			`x:1:6: set: wrong type, keys with values: expected text, such as "voip_bl"`},
		{"truth value instead of text", "set: true\n",
			`x:1:6: set: wrong type, a truth value (true): expected text, such as "voip_bl"`},
		{"text instead of a truth value", "firewall: {base: yes}\n",
			`x:1:18: firewall.base: wrong type, text ("yes"): expected true or false`},
		{"number instead of a truth value", "firewall: {base: 1}\n",
			`x:1:18: firewall.base: wrong type, a number ("1"): expected true or false`},
		{"text instead of a number", "limits: {widest: '8'}\n",
			`x:1:18: limits.widest: wrong type, text ("8"): expected a whole number, such as 8`},
		{"fraction instead of a number", "limits: {widest: 8.5}\n",
			`x:1:18: limits.widest: wrong type, a number ("8.5"): expected a whole number, such as 8`},
		{"number too big", "limits: {widest: 18446744073709551615}\n",
			`x:1:18: limits.widest: wrong type, a number ("18446744073709551615"): expected a whole number, such as 8`},
		{"infinity", "set: .inf\n",
			`x:1:6: set: wrong type, a number (".inf"): expected text, such as "voip_bl"`},
		{"no value", "allow:\n",
			"x:1:1: allow: no value: expected a list, such as [203.0.113.10], or no such key for the default"},
		{"no value below", "firewall:\n  sip:\n  base: ~\n",
			`x:2:3: firewall.sip: no value: expected keys with values, such as {public: true}, or no such key for the default
x:3:3: firewall.base: no value: expected true or false, or no such key for the default`},
		{"no value in a list", "allow: [~]\nfeeds:\n  -\n",
			`x:1:9: allow[0]: wrong type, no value: expected text, such as "203.0.113.10"
x:3:5: feeds[0]: wrong type, no value: expected keys with values, such as {name: local, path: /etc/voipbl/blocklist.d}`},
		{"sorted", "set: ''\nzzzz: 1\nrun_dir: x\n",
			`x:1:6: set: bad set name (""): expected up to 24 of A-Z, a-z, 0-9, ".", "_" and "-", the first not "-", such as "voip_bl"
x:2:1: unknown key "zzzz": expected one of set, ban_set, known_set, state_dir, run_dir, feeds, on_impact, allow, names, bans, limits, shape, firewall, metrics, report, pbx, fleet
x:3:10: run_dir: not an absolute path ("x"): expected an absolute path such as "/var/lib/voipbl"`},
	})
}

func TestTooMuch(t *testing.T) {
	checkErrors(t, []errorCase{
		{"size", strings.Repeat("#", maxFile+1), "x:1:1: the file has 1048577 bytes: expected a file of at most 1 MiB"},
		{"nested lists", strings.Repeat("[", maxFile), "x:1:17: more than 16 levels of lists and mappings: expected at most 16"},
		{"nested mappings", strings.Repeat("{a: ", maxFile/4), "x:1:65: more than 16 levels of lists and mappings: expected at most 16"},
		{"lists in a line", strings.Repeat("- ", maxFile/2), "x:1:33: more than 16 levels of lists and mappings: expected at most 16"},
		{"indentation", staircase(1000), "x:17:17: more than 16 levels of lists and mappings: expected at most 16"},
		{"list elements", "allow: [" + strings.Repeat("~,", 1<<16), "x:1:65546: more than 32768 list elements: expected at most 32768"},
		{"dashes", strings.Repeat("-\n", 1<<16), "x:32769:1: more than 32768 list elements: expected at most 32768"},
		{"empty lines", "set: |\n" + strings.Repeat("\n", 1000), "x:103:1: more than 100 empty lines in a row: expected fewer"},
		{"empty lines with spaces", strings.Repeat(" \r\n", 1000), "x:103:1: more than 100 empty lines in a row: expected fewer"},
		{"keys", strings.Repeat("a: 1\n", maxFile/5), "x:4097:2: more than 4096 keys: expected at most 4096"},
	})
}

// staircase returns n nested mappings.
func staircase(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

// TestLargeFileIsQuick: the largest file that is not refused at once is read within
// seconds.
func TestLargeFileIsQuick(t *testing.T) {
	texts := map[string]string{
		"keys":     strings.Repeat("a: 1\n", maxKeys),
		"elements": "allow: [" + strings.Repeat("~,", maxElements) + "]",
		"dashes":   strings.Repeat("-\n", maxElements),
		"block":    "set: |\n" + strings.Repeat(" a"+strings.Repeat("\n", maxBlank), maxFile/(maxBlank+2)-1),
		"text":     "set: " + strings.Repeat("a", maxFile-6),
		"comments": strings.Repeat("#\n", maxFile/2),
		"feeds":    "feeds:\n" + strings.Repeat("- {name: a, path: /a, schedule: '0 0 31 2 *'}\n", maxFeeds),
	}
	for name, text := range texts {
		start := cpuTime(t)
		Parse("x", []byte(text))
		if d := cpuTime(t) - start; d > 10*time.Second { // usually below one second
			t.Errorf("%s: %v", name, d)
		}
	}
}

// cpuTime returns the processor time that this process has used, which does not depend
// on how busy the machine is.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func TestManyErrorsAreCut(t *testing.T) {
	_, err := Parse("x", []byte("allow: ["+strings.Repeat("_, ", 1000)+"]\n"))
	if err == nil {
		t.Fatal("no error")
	}
	checkBounded(t, err)
	lines := strings.Split(err.Error(), "\n")
	if got, want := lines[len(lines)-1], "x:1:159: and 950 more errors from here on: correct the ones above first"; got != want {
		t.Errorf("last error:\n%s\nwant:\n%s", got, want)
	}
}

func TestNoFileName(t *testing.T) {
	_, err := Parse("", []byte("limits: 8\n"))
	if got, want := err.Error(), "1:9: limits: wrong type, a number (\"8\"): expected keys with values, such as {timeout: 60s}"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
