package fail2ban_test

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

// What FreeSWITCH writes (sofia_reg.c), after the date: up to 1.10.6, and later with the processor's
// idle time. An unknown user takes three lines.
var (
	fsChallenge = []string{
		"[WARNING] sofia_reg.c:1792 SIP auth challenge (REGISTER) on sofia profile 'internal' for [1001@pbx.example] from ip ADDR",
		"98.67% [WARNING] sofia_reg.c:1842 SIP auth challenge (REGISTER) on sofia profile 'internal' for [1001@pbx.example] from ip ADDR",
		"98.67% [WARNING] sofia_reg.c:1842 SIP auth challenge (INVITE) on sofia profile 'external' for [+442079460000@pbx.example] from ip ADDR",
	}
	fsWrong = []string{
		"[WARNING] sofia_reg.c:1737 SIP auth failure (REGISTER) on sofia profile 'internal' for [1001@pbx.example] from ip ADDR",
		"98.67% [WARNING] sofia_reg.c:1737 SIP auth failure (REGISTER) on sofia profile 'internal' for [1001@pbx.example] from ip ADDR",
		"100.00% [WARNING] sofia_reg.c:1737 SIP auth failure (INVITE) on sofia profile 'external' for [9011442079460000@pbx.example] from ip ADDR",
	}
	fsUnknown = []string{
		"9.03% [WARNING] sofia_reg.c:2906 Can't find user [100@pbx.example] from ADDR\n" +
			"You must define a domain called 'pbx.example' in your directory and add a user with the id=\"100\" attribute\n" +
			"and you must configure your device to use the proper domain in its authentication credentials.",
	}
	// A user name chosen by the attacker that looks like the end of a line about somebody else.
	fsForged = []string{
		"98.67% [WARNING] sofia_reg.c:1737 SIP auth failure (REGISTER) on sofia profile 'internal' for [x] from ip ADDR] on [y@pbx.example] from ip 4.8.4.8",
		"98.67% [WARNING] sofia_reg.c:2906 Can't find user [x@y] from ADDR@pbx.example] from 4.8.4.8",
		"98.67% [NOTICE] sofia_reg.c:1757 SIP auth failure (REGISTER) on sofia profile 'internal' for [1001@pbx.example] from ip ADDR",
	}
)

// sofia has FreeSWITCH write lines about addresses, each so often.
func (h *host) sofia(times int, lines []string, who ...netip.Addr) {
	h.Helper()
	log, err := os.OpenFile(h.path("messages"), os.O_APPEND|os.O_WRONLY, 0)
	h.must(err)
	defer log.Close()
	for _, a := range who {
		for range times {
			for _, line := range lines {
				_, err := log.WriteString(time.Now().Format("2006-01-02 15:04:05.000000 ") + strings.ReplaceAll(line, "ADDR", a.String()) + "\n")
				h.must(err)
			}
		}
	}
}

// TestFreeSWITCH: wrong passwords and unknown users are banned, in each form of the log. Challenges,
// which each phone causes, do not count, nor does what an attacker writes about somebody else, nor a
// friend.
func TestFreeSWITCH(t *testing.T) {
	h := newHost(t, "nft")
	h.protect("false")
	h.serve()
	h.jails("[voipbl-freeswitch]\nenabled = true\nbackend = polling\nlogpath = DIR/messages\n")
	h.start()
	h.sofia(40, fsChallenge, bystander[:]...)
	h.sofia(40, fsForged, bystander[:]...)
	for _, who := range friends {
		h.sofia(6, fsWrong, who[:]...)
	}
	for i, lines := range [][]string{fsWrong[:1], fsWrong[1:2], fsWrong[2:], fsUnknown} {
		who := [][2]netip.Addr{attacker, newcomer, addrs("4.1.4.1", "2a00:41::1"), addrs("4.2.4.2", "2a00:42::2")}[i]
		h.sofia(12, lines, who[:]...)
		h.banned(sets, who)
		for _, a := range who {
			if n := strings.Count(h.read("fail2ban.log"), "] Found "+a.String()+" "); n != 12 {
				t.Errorf("%q of %s counts %d times in 12", lines, a, n)
			}
		}
	}
	if got := h.knock(0, attacker[0]); got != rejected {
		t.Errorf("SIP of the attacker is %s", got)
	}
	h.eventually("the /64 is banned", func() bool { return h.in(hosts[1], attacker[1].Next()) })
	for _, a := range bystander {
		if strings.Contains(h.read("fail2ban.log"), "] Found "+a.String()+" ") {
			t.Errorf("what is no attack of %s is counted", a)
		}
	}
	h.expect("a phone that was challenged", h.knock, bystander, answered)
	for _, who := range friends {
		h.free(who)
	}
	h.stop()
}
