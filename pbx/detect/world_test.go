package detect

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/voipbl/voipbl/pbx"
)

var (
	t0       = time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)
	attacker = netip.MustParseAddrPort("203.0.113.66:5060")
	office   = netip.MustParseAddr("198.51.100.7")
	exempt   = netip.MustParseAddr("192.0.2.9")
)

// world is a PBX and a kernel that carries bans out. Time passes only by wait.
type world struct {
	t      rapid.TB
	d      *Detector
	start  time.Time
	now    time.Time
	latent time.Duration // from a verdict until the kernel drops
	banned map[source]time.Time
	begins map[source]time.Time
	bans   []Ban
	told   []string
}

func newWorld(t rapid.TB) *world { return newWorldWith(t, Defaults()) }

func newWorldWith(t rapid.TB, s Settings) *world {
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	friend := func(a netip.Addr) bool { return a == exempt }
	return &world{t: t, d: New(s, friend), start: t0, now: t0, banned: map[source]time.Time{}, begins: map[source]time.Time{}}
}

func (w *world) wait(d time.Duration) { w.now = w.now.Add(d) }

// dropped reports whether the kernel drops the packets of an address.
func (w *world) dropped(a netip.Addr) bool {
	s := sourceOf(a)
	return w.now.Before(w.banned[s]) && !w.now.Before(w.begins[s])
}

// see gives an observation to the detector, unless the kernel has dropped the packet. It returns
// whether the PBX has answered.
func (w *world) see(o pbx.Observation) (answered bool) {
	if w.dropped(o.Source.Addr()) {
		return false
	}
	if o.At.IsZero() {
		o.At = w.now
	}
	if o.Transport == "" {
		o.Transport = "udp"
	}
	for _, v := range w.d.See(w.now, o) {
		switch v := v.(type) {
		case Ban:
			s := sourceOf(v.Addr)
			w.banned[s], w.begins[s] = w.now.Add(w.latent+v.For), w.now.Add(w.latent)
			w.bans = append(w.bans, v)
			if len(v.Reason) > 100 {
				w.t.Errorf("%d bytes: %s", len(v.Reason), v.Reason)
			}
		case Trust:
			if d := v.Until.Sub(w.now); d <= 0 || d > 24*time.Hour {
				w.t.Errorf("trust for %s", d)
			}
		}
		w.told = append(w.told, fmt.Sprintf("%s: %s", short(w.now.Sub(w.start)), v))
	}
	return true
}

func (w *world) what(from netip.AddrPort, what pbx.What, account string) bool {
	return w.see(pbx.Observation{Source: from, What: what, Account: account, Method: "REGISTER"})
}

func (w *world) proved(from netip.AddrPort, what pbx.What, account string) bool {
	return w.see(pbx.Observation{Source: from, What: what, Account: account, Method: "REGISTER", Proved: true})
}

// wrong is a wrong password over UDP, as HEP sees it.
func (w *world) wrong(from netip.AddrPort, account string) bool {
	return w.proved(from, pbx.WrongPassword, account)
}

// attempt is one with a challenge of its own, 50 ms a packet.
func (w *world) attempt(from netip.AddrPort, account string) (answered int) {
	for _, f := range []func() bool{
		func() bool { return w.what(from, pbx.Asked, account) },
		func() bool { return w.wrong(from, account) },
	} {
		if f() {
			answered++
		}
		w.wait(50 * time.Millisecond)
	}
	return answered
}

// ami makes attempts over UDP as AMI sees them, until the kernel drops one's packets, and returns how many
// were answered. Each begins a time after the one before.
func (w *world) ami(from netip.AddrPort, account string, attempts int, every time.Duration) (answered int) {
	for range attempts {
		w.what(from, pbx.Asked, account)
		if w.what(from, pbx.WrongPassword, account) {
			answered++
		}
		w.wait(every)
	}
	return answered
}

// hasNetwork has some networks /64 of a /48 banned.
func (w *world) hasNetwork(network string, n int) {
	for i := range n {
		w.burst(netip.AddrPortFrom(netip.MustParseAddr(fmt.Sprintf("%s:%x::1", network, i)), 5060))
	}
	w.told = nil
}

func (w *world) register(from netip.AddrPort, account string, last time.Duration) {
	w.what(from, pbx.Asked, account)
	w.see(pbx.Observation{Source: from, What: pbx.Registered, Account: account, Method: "REGISTER", Proved: true, Until: w.now.Add(last)})
}

// phones registers n phones of an office.
func (w *world) phones(n int) {
	for i := range n {
		w.register(port(office, i), fmt.Sprint(6000+i), time.Hour)
	}
	if len(w.d.phones.places) != n || len(w.bans) != 0 {
		w.t.Fatalf("%d phones, bans %v", len(w.d.phones.places), w.bans)
	}
	w.told = nil
}

func port(a netip.Addr, i int) netip.AddrPort { return netip.AddrPortFrom(a, uint16(5060+i)) }

func (w *world) text() string { return strings.Join(w.told, "\n") }
