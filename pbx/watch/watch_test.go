package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/pbx"
	"github.com/voipbl/voipbl/pbx/detect"
	"github.com/voipbl/voipbl/pbx/link"
)

// TestBanAtOnce: the agent is told of a ban without any time going by, and of a phone within a second.
func TestBanAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, a *agent, feed given) {
		watching(t, a, feed)
		began := time.Now()
		for i := range 4 {
			feed <- wrong(attacker, i)
		}
		got := a.told()
		if len(got.bans) != 1 || got.bans[0].Addr != attacker.Addr() || got.bans[0].For != 10*time.Minute || !time.Now().Equal(began) {
			t.Errorf("bans %+v after %v", got.bans, time.Since(began))
		}
		feed <- right(office, "6001")
		pass(time.Second)
		got = a.told()
		if len(got.phones) != 1 || got.phones[0].Addr != office.Addr() || got.phones[0].Account != "6001" {
			t.Errorf("phones %+v", got.phones)
		}
		feed <- right(office, "6001")
		pass(2 * known.RenewedEvery)
		got = a.told()
		if len(got.phones) != 2 {
			t.Errorf("not told again, or more than once: %+v", got.phones)
		}
	})
}

// TestAgentAway: nothing is lost while the agent is away, and a ban does not last longer for it.
func TestAgentAway(t *testing.T) {
	bubble(t, func(t *testing.T, a *agent, feed given) {
		a.away = true
		watching(t, a, feed)
		pass(time.Minute)
		a.set(func() { a.away = false })
		pass(longestAsk)

		a.set(func() { a.away = true })
		for i := range 4 {
			feed <- wrong(attacker, i)
		}
		feed <- right(office, "6001")
		pass(time.Minute)
		got := a.told()
		if len(got.bans)+len(got.phones) > 0 {
			t.Fatalf("an agent that is away has %+v %+v", got.bans, got.phones)
		}
		a.set(func() { a.away = false })
		pass(2 * time.Second)
		got = a.told()
		if len(got.bans) != 1 || got.bans[0].For > 9*time.Minute || got.bans[0].For < 8*time.Minute || len(got.phones) != 1 {
			t.Errorf("%+v %+v", got.bans, got.phones)
		}
	})
}

// TestTrunks: the agent is told where the PBX is registered, as often as the PBX says it, unless nobody is
// to be trusted.
func TestTrunks(t *testing.T) {
	trunk := func(host, account string) pbx.Observation {
		return pbx.Observation{At: time.Now(), What: pbx.Trunk, Proved: true, Called: host, Account: account}
	}
	for _, trust := range []bool{true, false} {
		bubble(t, func(t *testing.T, a *agent, feed given) {
			a.settings.Trust, a.deaf = trust, errAway
			watching(t, a, feed)
			feed <- trunk("b.example", "2")
			feed <- trunk("b.example", "1")
			feed <- trunk("b.example", "3")
			for i := range 2 * known.MostTrunks {
				feed <- trunk(fmt.Sprint(i), "")
			}
			pass(time.Minute)
			a.set(func() { a.deaf = nil })
			pass(time.Second)
			got := a.told()
			if !trust {
				if len(got.trunks) > 0 {
					t.Errorf("%v", got.trunks)
				}
				return
			}
			if len(got.trunks) != known.MostTrunks || !slices.Contains(got.trunks, known.SeenTrunk{Host: "b.example", Account: "1"}) || len(got.bans)+len(got.phones) > 0 {
				t.Errorf("%d: %v", len(got.trunks), got.trunks)
			}
			pass(time.Hour)
			feed <- trunk("b.example", "1")
			pass(time.Second)
			if got := a.told(); len(got.trunks) != known.MostTrunks+1 {
				t.Errorf("%d", len(got.trunks))
			}
		})
	}
}

// TestQuiet: where nothing happens, the watcher says each ten seconds that it is alive, which is often
// enough for its watchdog. The agent is told then how it is, and asked each minute for other settings, and
// nothing else.
func TestQuiet(t *testing.T) {
	bubble(t, func(t *testing.T, a *agent, feed given) {
		run := watching(t, a, feed)
		beats, asked := run.beats.Load(), a.asked.Load()
		pass(time.Hour)
		if n := run.beats.Load() - beats; n != 360 {
			t.Errorf("%d beats in an hour", n)
		}
		if n := a.asked.Load() - asked; n != 360+60 {
			t.Errorf("the agent was asked %d times in an hour", n)
		}
	})
}

// TestRefusedByAgent: who is exempt is not asked for again.
func TestRefusedByAgent(t *testing.T) {
	bubble(t, func(t *testing.T, a *agent, feed given) {
		a.exempt = []netip.Addr{attacker.Addr()}
		watching(t, a, feed)
		for range 3 {
			for i := range 20 {
				feed <- wrong(attacker, i)
			}
			pass(10 * time.Second)
		}
		got := a.told()
		if len(got.bans) > 0 || got.health.Bans != 1 {
			t.Errorf("%+v, asked for %d times", got.bans, got.health.Bans)
		}
	})
}

// TestBannedByOthers: a phone that somebody has banned is told of again when it has proved its password
// again, and not before.
func TestBannedByOthers(t *testing.T) {
	for name, c := range map[string]struct {
		renews bool
		banned time.Duration
	}{
		"it was just told":                     {false, 2 * known.RenewedEvery},
		"banned for a moment":                  {false, time.Second},
		"it has just renewed its registration": {true, 2 * known.RenewedEvery},
	} {
		bubble(t, func(t *testing.T, a *agent, feed given) {
			watching(t, a, feed)
			feed <- right(office, "6001")
			pass(time.Second)
			if c.renews {
				feed <- right(office, "6001")
			}
			a.set(func() { a.banned, a.phones = []netip.Addr{office.Addr()}, nil })
			pass(c.banned)
			a.set(func() { a.banned = nil })
			pass(3 * time.Hour)
			if got := a.told(); len(got.phones) > 0 {
				t.Errorf("%s: %+v", name, got.phones)
			}
			feed <- right(office, "6001")
			pass(time.Second)
			if got := a.told(); len(got.phones) != 1 {
				t.Errorf("%s: registered again: %+v", name, got.phones)
			}
		})
	}
}

// TestBannedLater: what the agent has no room for is asked for again.
func TestBannedLater(t *testing.T) {
	bubble(t, func(t *testing.T, a *agent, feed given) {
		a.full = "more than 200 bans a minute"
		said := watching(t, a, feed).log
		for i := range 4 {
			feed <- wrong(attacker, i)
		}
		pass(time.Minute)
		waits := a.told()
		a.set(func() { a.full = "" })
		pass(healthEvery + time.Second)
		got := a.told()
		if w := waits.health; w.Waiting != 1 || w.Why != "more than 200 bans a minute" || got.health.Waiting != 0 || got.health.Why != "" {
			t.Errorf("%+v, then %+v", w, got.health)
		}
		if len(got.bans) != 1 || got.bans[0].For > 9*time.Minute || strings.Count(said.String(), "more than 200") != 1 {
			t.Errorf("%+v: %s", got.bans, said)
		}
	})
}

// TestSaidOnce: that the agent takes no phones is said once, although it takes bans.
func TestSaidOnce(t *testing.T) {
	bubble(t, func(t *testing.T, a *agent, feed given) {
		a.deaf = errors.New("the disk is full")
		said := watching(t, a, feed).log
		feed <- right(office, "6001")
		pass(time.Minute)
		for i := range 4 {
			feed <- wrong(attacker, i)
		}
		pass(time.Minute)
		a.told()
		if n, again := strings.Count(said.String(), "the disk is full"), strings.Count(said.String(), "answers again"); n != 1 || again != 0 {
			t.Errorf("%d times, and %d times that it answers: %s", n, again, said)
		}
	})
}

// TestUndone: what the agent says that it has not done is told again, and what it has done is not.
func TestUndone(t *testing.T) {
	why := &problem.Problem{Error: "no space"}
	later := known.Refusal{Addr: attacker.Addr(), Why: "more than 200", Later: true}
	for _, c := range []struct {
		a     bans.SeenAnswer
		later int
		err   bool
	}{
		{bans.SeenAnswer{Banned: 1}, 0, false},
		{bans.SeenAnswer{Banned: 1, Problem: why}, 0, false},
		{bans.SeenAnswer{Problem: why, Undone: true}, 0, true},
		{bans.SeenAnswer{Refused: []known.Refusal{later, {Addr: office.Addr(), Why: "it is no address"}}}, 1, false},
	} {
		if not, err := unbanned(c.a); len(not.Later) != c.later || (err != nil) != c.err {
			t.Errorf("%+v: %+v, %v", c.a, not, err)
		}
	}
	for _, a := range []known.Answer{{Problem: "no space"}, {Problem: "no space", Undone: true}} {
		if _, err := lostPhones(a); (err != nil) != a.Undone {
			t.Errorf("%+v: %v", a, err)
		}
	}
}

// TestMostTraps: as many traps as a configuration may have count beside those of voipbl's own. Others
// than a configuration has are said not to count.
func TestMostTraps(t *testing.T) {
	own := len(detect.Defaults().Traps.Agents)
	many := slices.Repeat([]string{"a scanner"}, config.MaxTraps)
	if s, err := settings(link.Settings{Traps: link.Traps{Extensions: many, Accounts: many, Agents: many}}); err != nil || len(s.Traps.Agents) != own+config.MaxTraps {
		t.Errorf("%d of the agents: %v", len(s.Traps.Agents), err)
	}
	bubble(t, func(t *testing.T, a *agent, feed given) {
		a.settings.Traps.Agents = []string{"abc"}
		said := watching(t, a, feed).log
		if a.told(); !strings.Contains(said.String(), "traps do not count") {
			t.Error(said)
		}
	})
}

// TestUntrusted: who guesses where there are phones is banned, and its phones are forgotten.
func TestUntrusted(t *testing.T) {
	bubble(t, func(t *testing.T, a *agent, feed given) {
		watching(t, a, feed)
		feed <- right(office, "6001")
		for i := range 200 {
			feed <- wrong(office, i)
		}
		pass(2 * time.Second)
		got := a.told()
		want := []netip.Prefix{netip.PrefixFrom(office.Addr(), 32)}
		if d := cmp.Diff(want, got.forget, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" || len(got.bans) != 1 || len(got.phones) > 0 {
			t.Errorf("%s, bans %+v, phones %+v", d, got.bans, got.phones)
		}
	})
}

// TestBannedByHand: what somebody bans by hand is no phone any more, also if the agent has nothing to
// say about phones, or has said of which only some. It is banned for wrong passwords afterwards, it does
// not become a phone again without a packet, and it is told of at once when it registers again.
func TestBannedByHand(t *testing.T) {
	other := netip.MustParseAddrPort("198.51.100.9:5060")
	for name, c := range map[string]struct {
		news func(a *agent) []News
		asks int
	}{
		"a ban": {func(*agent) []News { return []News{{Banned: []netip.Prefix{netip.PrefixFrom(office.Addr(), 32)}}} }, 0},
		"of a network": {func(*agent) []News {
			return []News{{}, {Banned: []netip.Prefix{netip.MustParsePrefix("9.9.9.9/32"), netip.MustParsePrefix("198.51.100.0/29")}}}
		}, 0},
		"that was missed": {func(a *agent) []News { a.banned = []netip.Addr{office.Addr()}; return []News{{Missed: true}} }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, a *agent, feed given) {
				run := watching(t, a, feed)
				for range 2 { // the second one is told of after some minutes
					feed <- right(office, "6001")
					feed <- right(other, "6002")
					pass(2 * time.Second)
				}
				var news []News
				a.set(func() { news = c.news(a) })
				for _, n := range news {
					a.news <- n
				}
				pass(3 * time.Second)
				a.set(func() { a.banned, a.phones = nil, nil })
				pass(2 * known.RenewedEvery)
				got := a.told()
				if a.listed != c.asks || slices.ContainsFunc(got.phones, func(p link.Phone) bool { return p.Addr == office.Addr() }) || len(got.phones) != 1 {
					t.Errorf("asked %d times, told of %+v without a packet", a.listed, got.phones)
				}
				for i := range 4 {
					for _, from := range []netip.AddrPort{office, other} {
						o := wrong(from, i)
						o.Proved = false
						feed <- o
					}
				}
				if got = a.told(); len(got.bans) != 1 || got.bans[0].Addr != office.Addr() {
					t.Errorf("bans %+v", got.bans)
				}
				a.set(func() { a.phones = nil })
				feed <- right(office, "6001")
				feed <- right(other, "6002")
				pass(2 * time.Second)
				if got = a.told(); len(got.phones) != 1 || got.phones[0].Addr != office.Addr() {
					t.Errorf("registered again: %+v, %s", got.phones, run.log)
				}
			})
		})
	}
}

// TestOff: without pbx.ban_attackers nobody is banned, which the journal says, and phones are told of.
func TestOff(t *testing.T) {
	bubble(t, func(t *testing.T, a *agent, feed given) {
		a.settings = link.Settings{}
		run := watching(t, a, feed)
		for i := range 4 {
			feed <- wrong(attacker, i)
		}
		feed <- right(office, "6001")
		pass(time.Minute)
		got := a.told()
		if len(got.bans) > 0 || len(got.phones) != 1 {
			t.Errorf("%+v %+v", got.bans, got.phones)
		}
		if said := run.log.String(); !strings.Contains(said, `msg="nobody is banned (pbx.ban_attackers); else: ban `) {
			t.Errorf("the journal has %s", said)
		}
	})
}

// TestChanged: other settings end the run at once, with an error that says so, also after the agent was
// away.
func TestChanged(t *testing.T) {
	bubble(t, func(t *testing.T, a *agent, feed given) {
		ended := watching(t, a, feed).ended
		a.set(func() { a.away = true })
		pass(link.ChangeWait + longestAsk)
		a.set(func() { a.away = false })
		pass(longestAsk)
		began := time.Now()
		close(a.changed)
		if err := <-ended; !errors.Is(err, ErrSettings) || !time.Now().Equal(began) {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

// TestKnownBefore: phones that the agent knows are phones from the start, so one wrong password of
// another account bans nobody.
func TestKnownBefore(t *testing.T) {
	bubble(t, func(t *testing.T, a *agent, feed given) {
		a.settings.Phones = []link.Phone{{Addr: office.Addr(), Account: "6001", Transport: "udp", Since: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour)}}
		watching(t, a, feed)
		for i := range 4 {
			feed <- wrong(office, i%2)
		}
		got := a.told()
		if len(got.bans) > 0 {
			t.Errorf("%+v", got.bans)
		}
	})
}

// TestSourceBegunAnew: a source that fails is begun anew, with pauses that grow.
func TestSourceBegunAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		var at []time.Duration
		began := time.Now()
		s := &source{name: "test", begin: func() (pbx.Source, error) {
			at = append(at, time.Since(began))
			return nil, errors.New("refused")
		}}
		done := make(chan error)
		go func() { done <- s.keep(ctx, slog.New(slog.DiscardHandler), nil) }()
		pass(time.Minute)
		end()
		<-done
		want := []time.Duration{0, 1e9, 3e9, 7e9, 15e9, 31e9}
		if d := cmp.Diff(want, at); d != "" || s.failed() != "refused" {
			t.Errorf("%s, %q", d, s.failed())
		}
	})
}

// TestTwoSources: what the manager interface says of failures does not count where the PBX copies its
// messages, and counts where it has ceased to.
func TestTwoSources(t *testing.T) {
	c := &copies{source: &source{}}
	ami := &source{}
	on := &sources{copies: c}
	now := time.Now()
	failure, phone := observation{wrong(attacker, 1), ami}, observation{right(office, "6001"), ami}
	forged, tcp := failure, phone
	asked := observation{pbx.Observation{Source: attacker, What: pbx.Asked, Transport: "udp"}, ami}
	forged.Proved, tcp.Transport = false, "tcp"
	own := observation{right(office, "6001"), c.source}
	elsewhere := own
	elsewhere.Proved = false
	for _, step := range []struct {
		name    string
		o       observation
		packets uint64 // of this host
		foreign uint64
		at      time.Duration
		counts  bool
	}{
		{"no message yet", failure, 0, 0, 0, true},
		{"a phone, and no message yet", phone, 0, 0, 0, true},
		{"messages between others", failure, 0, 5, 0, true},
		{"messages come", failure, 1, 0, 0, false},
		{"a failure that anybody can forge", forged, 1, 0, 0, true},
		{"a request", asked, 1, 0, 0, false},
		{"a phone over UDP", phone, 1, 0, 0, false},
		{"a phone over TCP", tcp, 1, 0, 0, true},
		{"of the copies themselves", observation{failure.Observation, c.source}, 1, 0, 0, true},
		{"a phone by the copies", own, 1, 0, 0, true},
		{"a phone whose address is not proved", elsewhere, 1, 0, 0, false},
		{"just now", failure, 1, 0, fresh, false},
		{"messages have ceased", failure, 1, 0, fresh + 1, true},
		{"and come again", failure, 2, 0, fresh + 2, false},
	} {
		c.before.Packets, c.before.Foreign = step.packets+step.foreign, step.foreign
		if got := on.counts(step.o, now.Add(step.at)); got != step.counts {
			t.Errorf("%s: %v", step.name, got)
		}
	}
}
