package link

import (
	"strings"
	"testing"
)

// TestClean: whatever the process says of itself, people are shown one line of text, and no number below zero.
func TestClean(t *testing.T) {
	h := Health{
		Name: "acme_pbx7\x1b[2J", Hub: "tls://hub\n", Error: strings.Repeat("x", 10_000), Hosts: -1, Heard: -1, Believed: -1, Unsaid: -1,
		Left: map[string]int{Exempt: 3, "<script>": 1, Full: -2, Phone: 0},
	}.Clean()
	for _, text := range []string{h.Name, h.Hub, h.Error} {
		if strings.ContainsAny(text, "\x1b\n") || len(text) > maxText {
			t.Errorf("%q", text)
		}
	}
	if h.Hosts+h.Heard+h.Believed+h.Unsaid != 0 || len(h.Left) != 1 || h.Left[Exempt] != 3 {
		t.Errorf("%+v", h)
	}
}
