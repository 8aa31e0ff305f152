package main

import (
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testfault"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testskip"
)

// TestBansOutliveFaultsAtBoot: a file that cannot be opened during boot must not lose a ban. The
// list of bans stays, and is in force as soon as it can be read.
func TestBansOutliveFaultsAtBoot(t *testing.T) {
	testskip.UnlessRoot(t)
	verb := faultVerb{name: "boot", args: []string{"sync", "--offline", "--sets-only"}, config: "old", prepare: []string{"ban 8.8.8.8 2a00:1450::/64"}}
	h := newFaultHost(t, verb)
	boot := func() {
		h.do("rm -rf run")
		if err := testns.Unshare(); err != nil {
			t.Fatal(err)
		}
	}
	boot()
	journal := testfault.Fault{Kind: testfault.Open, File: "bans.journal"}
	opens := h.run(verb, journal).calls[testfault.Open]
	want := h.kernel()["set voip_ban"] + h.kernel()["set voip_ban6"]
	if !strings.Contains(want, "8.8.8.8") || opens == 0 {
		t.Fatalf("%d times read: %s", opens, want)
	}
	for n := range opens {
		journal.N, journal.Errno = n+1, testfault.Open.Errnos()[n%2]
		boot()
		r := h.run(verb, journal)
		at := h.kernel()
		inForce := at["set voip_ban"]+at["set voip_ban6"] == want
		if r.failed == "" || !inForce && !strings.Contains(r.text, "the list of bans cannot be read") {
			t.Errorf("%v (%s): %s", journal, r.failed, r.text)
		}
		h.must(verb.config, "sync", "--offline")
		if now := h.kernel(); now["set voip_ban"]+now["set voip_ban6"] != want {
			t.Errorf("%v: the bans are lost: %s", journal, now["set voip_ban"])
		}
	}
}
