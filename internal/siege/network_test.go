package siege_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testsip"
)

// TestNetwork: once four /64 of a /48 are banned, the first wrong password from another one is enough;
// from elsewhere it is not.
func TestNetwork(t *testing.T) {
	s := lay(t, layout{family: ipv6, phones: 2})
	for range 4 {
		s.guesses(s.attacker(), time.Second/20).banned()
	}
	once := func(c *testsip.Client) {
		a := c.Do(c.Request("REGISTER", "7001"))
		c.Do(c.Request("REGISTER", "7001").Authorized(a, "7001", "guess"))
	}
	stranger := s.on(s.attackers, netip.MustParseAddr("2a00:46:1::1"), 5060)
	once(stranger)
	for range 3 {
		c := s.attacker()
		once(c)
		s.eventually(fmt.Sprint(c.Local(), " is banned"), func() bool { return s.banned(c.Local().Addr()) })
	}
	if s.banned(stranger.Local().Addr()) { // he was seen before these
		t.Error("another network is banned for one wrong password")
	}
	if why := strings.Join(s.evidence(), "\n"); strings.Count(why, "1 wrong password in 1 s, proved") != 3 {
		t.Errorf("the bans are for\n%s", why)
	}
}
