package config

import (
	"fmt"
	"strings"
	"testing"
)

// TestManyFeedsWritten: a sync writes the configuration each time, to compare it, and there may
// be hundreds of feeds. So a feed needs few allocations.
func TestManyFeedsWritten(t *testing.T) {
	var text strings.Builder
	text.WriteString("feeds:\n")
	for i := range 256 {
		fmt.Fprintf(&text, "  - {name: f%d, path: /etc/voipbl/lists/f%d}\n", i, i)
	}
	many, one := mustParse(t, text.String()), Default()
	one.Feeds = many.Feeds[:1]
	allocs := func(c Config) float64 { return testing.AllocsPerRun(10, func() { c.YAML() }) }
	if each := (allocs(many) - allocs(one)) / 255; each > 12 {
		t.Errorf("%.1f allocations for a feed", each)
	}
}

// TestQuotes: text that YAML would take for something else is quoted.
func TestQuotes(t *testing.T) {
	w := writer{quoted: make(map[string]bool)}
	for s, want := range map[string]bool{
		"": true, "a": false, "y": true, "null": true, "True": true, "off": true, "f0": false, "a-b_c.d": false, "/": false, "/a/b": false, "0a": false,
		"1": true, "0x1f": true, "2001-01-01": true, "5060:5061": false, "a: b": true, "a #b": true, "@every 5m": true,
		"0 */4 * * *": false, "*": true, "a\nb": true, "a\\b": true, " a": true, "a:": true, "-": true, "ä": false,
	} {
		for range 2 { // the second time it is remembered
			if got := w.needsQuotes(s); got != want {
				t.Errorf("%q: %t", s, got)
			}
		}
	}
}
