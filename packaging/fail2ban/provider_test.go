package fail2ban_test

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"

	"github.com/voipbl/voipbl/internal/testasterisk"
	"github.com/voipbl/voipbl/internal/testsip"
)

// TestCallsThroughProvider: a real Asterisk behind the shipped jails. Its provider, also one of voipbl's
// trunks, dials numbers that do not exist; so does one that only Asterisk knows; a third, unknown one
// asks whether the host is up. Banned are those who guess passwords, and those who patiently call without
// an account.
func TestCallsThroughProvider(t *testing.T) {
	h := newHost(t, "nft")
	h.protect("false")
	a := testasterisk.Start(t, testasterisk.Files(netip.PrefixFrom(trunk[0], 32), netip.PrefixFrom(newcomer[0], 32)))
	h.jails("[voipbl-asterisk]\nenabled = true\nbackend = polling\nlogpath = " + a.LogFile("messages.log") + "\n\t" + a.LogFile("security.log") + "\n")
	h.start()
	caller := func(from netip.Addr) (c *testsip.Client) {
		h.others[from].Do(func() {
			c = testsip.MustDial(t, "udp", netip.AddrPortFrom(from, 0), netip.AddrPortFrom(pbx[0], 5060))
		})
		return c
	}
	providers := []netip.Addr{trunk[0], newcomer[0]}
	for _, from := range providers {
		c := caller(from)
		for range 70 {
			if answer := c.Do(testasterisk.Call(c, "4930123", "999")); answer.Status != 404 {
				t.Fatalf("%s dials a number that nobody has: %d", from, answer.Status)
			}
		}
	}
	asking := caller(pinger[0])
	for range 20 { // ten minutes of them
		asking.Do(asking.Request("OPTIONS", "ping"))
	}
	guesser, stranger := caller(attacker[0]), caller(bystander[0])
	for range 6 { // 12 lines
		guesser.Register("6002", "wrong")
	}
	for range 30 { // 60 lines
		stranger.Do(stranger.Request("INVITE", "9999"))
	}
	h.eventually("who guesses passwords is banned", func() bool { return h.in(sets[0], attacker[0]) })
	h.eventually("who calls without an account is banned", func() bool { return h.in(unknownSets[0], bystander[0]) })
	for _, from := range append(providers, pinger[0]) {
		if h.in(sets[0], from) || h.in(unknownSets[0], from) {
			t.Errorf("%s is banned", from)
		}
		c := caller(from)
		c.Do(c.Request("OPTIONS", "still-there"))
	}
	if err := h.refusal(0, attacker[0]); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a packet of who is banned: %v", err)
	}
	h.stop()
}
