package hub

import (
	"regexp"
	"strings"
	"testing"
)

// TestSubscriptions: a host subscribes to subjects without wildcards alone. When one with a wildcard ends, the hub looks
// through all answers that all hosts wait for: a thousand hosts that come back would cost it a million looks.
func TestSubscriptions(t *testing.T) {
	t.Parallel()
	h := startKeptHub(t)
	h.SetConfig(h.config(h.Place) + "trace: true\n")
	h.Restart()
	acme, zeta := h.join("acme_pbx1"), h.join("zeta_pbx1")
	acme.says(addresses(3)...)
	zeta.awaitHears("acme_pbx1", addresses(3)...)
	acme.awaitSaid()
	subscribed := regexp.MustCompile(`<<- \[SUB (_INBOX\.[^ \]]*)`).FindAllStringSubmatch(h.Log(), -1)
	if len(subscribed) < 4 {
		t.Fatalf("%d subscriptions of two hosts are in the server's log", len(subscribed))
	}
	for _, s := range subscribed {
		if host := strings.Contains(s[1], ".acme_pbx1.") || strings.Contains(s[1], ".zeta_pbx1."); host && strings.ContainsAny(s[1], "*>") {
			t.Errorf("a host subscribes to %s", s[1])
		}
	}
}
