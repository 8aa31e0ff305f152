package pbx

import (
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"6001":                        "6001",
		"a\r\nEvent: X":               "a??Event: X",
		"a\x00b\x1b[31m":              "a?b?[31m",
		"\xff\xfe":                    "??",
		"Jürgen":                      "Jürgen",
		"a\u202eb":                    "a?b",
		strings.Repeat("q", 65):       strings.Repeat("q", 64),
		strings.Repeat("ü", 40):       strings.Repeat("ü", 32),
		"x" + strings.Repeat("ü", 40): "x" + strings.Repeat("ü", 31),
	} {
		if got := Text(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if n := len(Text(strings.Repeat("\xff", 1<<20))); n > MaxText {
		t.Errorf("%d bytes of a megabyte", n)
	}
}
