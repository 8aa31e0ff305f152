package screen

import (
	"strings"
	"testing"
)

func TestFold(t *testing.T) {
	long := "  try: " + strings.Repeat("twelve chars ", 10)
	for line := range strings.Lines(string(Fold([]byte("short\n" + long + "\n" + strings.Repeat("x", 200) + "\nend")))) {
		if Width([]byte(line)) > Columns && !strings.HasPrefix(line, "xxx") {
			t.Errorf("%d columns: %q", Width([]byte(line)), line)
		}
	}
	if got, want := string(Fold([]byte("  "+strings.Repeat("é", 70)+" word word\n"))), "  "+strings.Repeat("é", 70)+" word\n      word\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := string(Fold([]byte("  a: "+strings.Repeat("x", 90)+" b c\n"))), "  a: "+strings.Repeat("x", 90)+"\n      b c\n"; got != want {
		t.Errorf("after a long word: got %q, want %q", got, want)
	}
	// A command is not cut in two.
	for _, c := range []struct{ text, want string }{
		{strings.Repeat("x", 60) + ` on "voipbl fleet revoke acme_pbx1", or not` + "\n", strings.Repeat("x", 60) + " on\n    \"voipbl fleet revoke acme_pbx1\", or not\n"},
		{strings.Repeat("x", 60) + ` on ("voipbl fleet revoke acme_pbx1")` + "\n", strings.Repeat("x", 60) + " on\n    (\"voipbl fleet revoke acme_pbx1\")\n"},
		{strings.Repeat("x", 60) + ` "a b" on c word word word` + "\n", strings.Repeat("x", 60) + " \"a b\" on c word\n    word word\n"},
		{`"` + strings.Repeat("word ", 20) + "\"\n", `"` + strings.Repeat("word ", 15) + "word\n    " + strings.Repeat("word ", 4) + "\"\n"},
	} {
		if got := string(Fold([]byte(c.text))); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	if got := string(Fold([]byte(strings.Repeat("x", 75) + " word"))); got != strings.Repeat("x", 75)+" word" {
		t.Errorf("exactly as wide as the terminal: %q", got)
	}
	painted := "\x1b[31m" + strings.Repeat("x", 75) + "\x1b[0m word"
	if got := string(Fold([]byte(painted))); got != painted {
		t.Errorf("colours count: %q", got)
	}
	if got, want := string(Fold([]byte(painted+" \x1b[32mword\x1b[0m"))), painted+"\n    \x1b[32mword\x1b[0m"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain \"text\" §":       "plain \"text\" §",
		"a\x1b[31mb":             `a\x1b[31mb`,
		"a\u009b31m":             `a\u009b31m`,
		"two\nlines \"q\"":       `two\nlines "q"`,
		"\xff":                   `\xff`,
		"right to left \u202e x": `right to left \u202e x`,
	} {
		if got := Clean(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
