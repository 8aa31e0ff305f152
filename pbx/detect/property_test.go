package detect

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/voipbl/voipbl/pbx"
)

// TestProperties lets friends, phones, attackers and a spoofer act in any order, where attackers are proved
// and where, as by AMI alone, nothing is. No friend and no phone is ever banned, and none loses its trust;
// each attacker that was wrong three times in five seconds is banned, and not again while that ban is in
// force; what is not proved bans for ten minutes. (What is proved in the 20 ms in
// which a ban for what is not proved comes in force makes another.)
func TestProperties(t *testing.T) {
	phones := []netip.Addr{office, netip.MustParseAddr("2001:db8:5::1")}
	attackers := []netip.Addr{attacker.Addr(), netip.MustParseAddr("203.0.113.67"), netip.MustParseAddr("2001:db8:6::1")}
	unproved := []pbx.What{pbx.WrongPassword, pbx.UnknownAccount, pbx.Refused, pbx.Asked, pbx.Scanned, pbx.Malformed}
	account := rapid.SampledFrom([]string{"", "6000", "6001", "6002", "6003", "6004", "6005"})
	rapid.Check(t, func(t *rapid.T) {
		s := Defaults()
		s.AtOnce = 3
		w := newWorldWith(t, s)
		proves := rapid.Bool().Draw(t, "proves")
		w.latent = rapid.SampledFrom([]time.Duration{0, 20 * time.Millisecond}).Draw(t, "latency")
		friends := slices.Concat(phones, []netip.Addr{exempt})
		registers := func() {
			for _, a := range phones {
				for i := range 4 {
					w.register(port(a, i), fmt.Sprint(6000+i), time.Hour)
				}
			}
		}
		registers()
		wrongs := make(map[netip.Addr][]time.Time)
		proved := make(map[netip.Addr]bool)     // whether the last ban was
		lastWrong := make(map[string]time.Time) // of phones
		steps := rapid.IntRange(1, 150).Draw(t, "steps")
		for range steps {
			w.wait(rapid.SampledFrom([]time.Duration{0, time.Millisecond, 50 * time.Millisecond, time.Second, 30 * time.Second, 10 * time.Minute, 3 * time.Hour}).Draw(t, "wait"))
			o := pbx.Observation{
				At:      w.now.Add(-time.Duration(rapid.IntRange(0, 5).Draw(t, "late")) * time.Millisecond),
				Account: account.Draw(t, "account"), Method: "REGISTER",
			}
			switch rapid.SampledFrom([]string{"attacker", "attacker", "attacker", "spoofer", "spoofer", "phone", "lost", "registers", "wrong"}).Draw(t, "who") {
			case "attacker":
				a := rapid.SampledFrom(attackers).Draw(t, "attacker")
				o.Source, o.What, o.Proved = netip.AddrPortFrom(a, uint16(rapid.IntRange(1, 3).Draw(t, "port"))), pbx.WrongPassword, proves
				dropped := w.dropped(a)
				before := len(w.bans)
				inForce := proved[a] && w.now.Before(w.banned[sourceOf(a)])
				w.see(o)
				for _, b := range w.bans[before:] {
					proved[a] = b.Proved
				}
				if dropped {
					break
				}
				if len(w.bans) > before && inForce {
					t.Fatalf("banned again: %s", w.text())
				}
				wrongs[a] = append(wrongs[a], w.now)
				if n := len(wrongs[a]); n >= 3 && w.now.Sub(wrongs[a][n-3]) < 4*time.Second && !w.now.Before(w.banned[sourceOf(a)]) {
					t.Fatalf("%s is not banned after %v: %s", a, wrongs[a], w.text())
				}
			case "spoofer":
				o.Source = netip.AddrPortFrom(rapid.SampledFrom(slices.Concat(friends, attackers)).Draw(t, "spoofed"), 5060)
				o.What = rapid.SampledFrom(unproved).Draw(t, "what")
				for range rapid.SampledFrom([]int{1, 100}).Draw(t, "times") {
					before := len(w.bans)
					w.see(o)
					for _, b := range w.bans[before:] {
						proved[b.Addr] = b.Proved
					}
				}
			case "phone": // whatever it does with a right password
				o.Source, o.Proved = port(rapid.SampledFrom(phones).Draw(t, "phone"), 1), true
				o.What = rapid.SampledFrom([]pbx.What{pbx.Asked, pbx.Refused, pbx.Scanned, pbx.Malformed, pbx.Authenticated, pbx.Unregistered}).Draw(t, "what")
				w.see(o)
			case "wrong": // a phone whose password was changed
				a, i := rapid.SampledFrom(phones).Draw(t, "phone"), rapid.IntRange(0, 3).Draw(t, "which")
				who := fmt.Sprint(a, i)
				if w.now.Sub(lastWrong[who]) >= 5*time.Second {
					lastWrong[who] = w.now
					w.wrong(port(a, i), fmt.Sprint(6000+i))
				}
			case "lost":
				w.see(pbx.Observation{What: pbx.Lost})
			case "registers":
				registers()
			}
			if w.now.Sub(w.start) > 6*24*time.Hour { // some phones may be off for longer
				w.start = w.now
				registers()
			}
		}
		for _, b := range w.bans {
			if slices.Contains(friends, b.Addr) {
				t.Fatalf("%s\n%s", b, w.text())
			}
			if b.Proved && !proves && b.Evidence.Counts[pbx.WrongPassword] > 0 {
				t.Fatalf("nobody has proved anything: %s", b)
			}
			if b.Proved && !slices.Contains(s.BanTimes, b.For) || !b.Proved && b.For != s.UnprovedFor {
				t.Fatal(b)
			}
		}
		known := w.d.Phones(w.now)
		for _, a := range phones {
			for i := range 4 {
				if !slices.ContainsFunc(known, func(p Phone) bool { return p.Addr == a && p.Account == fmt.Sprint(6000+i) }) {
					t.Fatalf("%s is not known any more: %v", port(a, i), known)
				}
			}
		}
	})
}

// TestAnything: whatever is observed, and whatever the clocks do, verdicts are such that they can be
// carried out.
func TestAnything(t *testing.T) {
	texts := rapid.SampledFrom([]string{"", "6000", "6001", "a\r\nb", "\xff\x00", "admin", "SIPVicious", "00972595"})
	addrs := rapid.SampledFrom([]netip.Addr{
		{}, netip.IPv6Unspecified(), office, exempt, attacker.Addr(), netip.MustParseAddr("::ffff:203.0.113.66"),
		netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2%eth0"), netip.MustParseAddr("ff02::1"), netip.MustParseAddr("64:ff9b::1.2.3.4"),
	})
	whats := rapid.SampledFrom([]pbx.What{
		"", "x", pbx.Authenticated, pbx.Registered, pbx.Unregistered, pbx.WrongPassword, pbx.UnknownAccount,
		pbx.Refused, pbx.Asked, pbx.Scanned, pbx.Malformed, pbx.Lost,
	})
	jump := rapid.SampledFrom([]time.Duration{0, 0, 1, -1, time.Second, -time.Hour, time.Hour, 8 * 24 * time.Hour, -1 << 62, 1 << 62})
	rapid.Check(t, func(t *rapid.T) {
		s := Defaults()
		s.Traps.Accounts, s.Traps.Extensions = []string{"admin"}, []string{"00972595"}
		d := New(s, func(a netip.Addr) bool { return a == exempt })
		now := t0
		addr := func(what string, a netip.Addr) {
			if !possible(a) || a.Is4In6() || a.Zone() != "" {
				t.Fatalf("%s %q", what, a)
			}
		}
		phone := func(p Phone) {
			addr("phone", p.Addr)
			if p.Account == "" || p.Account != pbx.Text(p.Account) || p.Until.Before(p.Since) || p.Until.Sub(now) > pbx.LongestRegistration || !slices.Contains([]string{"udp", "tcp"}, p.Transport) {
				t.Fatalf("%+v at %s", p, now)
			}
		}
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			now = now.Add(jump.Draw(t, "now"))
			o := pbx.Observation{
				At: now.Add(jump.Draw(t, "at")), Source: netip.AddrPortFrom(addrs.Draw(t, "addr"), 5060), Transport: rapid.SampledFrom([]string{"", "udp", "tcp", "x"}).Draw(t, "transport"),
				Proved: rapid.Bool().Draw(t, "proved"), What: whats.Draw(t, "what"), Method: texts.Draw(t, "method"),
				Account: texts.Draw(t, "account"), Agent: texts.Draw(t, "agent"), Called: texts.Draw(t, "called"), Until: now.Add(jump.Draw(t, "until")),
			}
			if rapid.IntRange(0, 9).Draw(t, "no time") == 0 {
				o.At = time.Time{}
			}
			for range rapid.SampledFrom([]int{1, 1, 1, 30}).Draw(t, "times") {
				for _, v := range d.See(now, o) {
					if text := v.String(); text != strings.TrimSpace(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
						t.Fatalf("%q", text)
					}
					switch v := v.(type) {
					case Ban:
						addr("ban", v.Addr)
						if v.Addr == exempt || v.For < time.Minute || v.For > longestBan || len(v.Reason) > 100 || v.Reason == "" || v.Proved && !o.Proved {
							t.Fatalf("%+v", v)
						}
					case Trust:
						phone(v.Phone)
					case Untrust:
						if v.Network != v.Network.Masked() || v.Network.Bits() < 32 {
							t.Fatalf("%+v", v)
						}
					}
				}
			}
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				known := d.Phones(now)
				d = New(s, func(a netip.Addr) bool { return a == exempt })
				d.Restore(now, known)
			}
			for _, p := range d.Phones(now) {
				phone(p)
			}
		}
	})
}
