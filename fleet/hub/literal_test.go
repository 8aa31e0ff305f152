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
	for _, host := range []string{".acme_pbx1.", ".zeta_pbx1."} {
		n := 0
		for _, s := range subscribed {
			if !strings.Contains(s[1], host) {
				continue
			}
			n++
			if strings.ContainsAny(s[1], "*>") {
				t.Errorf("a host subscribes to %s", s[1])
			}
		}
		if n < 2 {
			t.Errorf("%d subscriptions of %s are in the server's log", n, host)
		}
	}
}
