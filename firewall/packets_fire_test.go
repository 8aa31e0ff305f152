package firewall_test

import (
	"testing"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/testrules"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

// TestPacketsDuringChanges changes and repairs the rules 200 times, half of them on each backend. Meanwhile,
// in both families, blocked addresses send as fast as they can, and phones ask and are answered. No
// packet of the former arrives, and no packet of the latter is lost.
func TestPacketsDuringChanges(t *testing.T) {
	const changes = 100
	for _, backend := range []string{"nft", "legacy"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, backend, iptables.IPv4)
			l.apply(fullAt(ruleset.AtInput))
			f := beginFire(l, l.twin())
			l.changeAndRepair(changes, f)
			f.end()
			for _, s := range f.sides {
				s.judge(changes)
			}
		})
	}
}

// TestPacketsDuringRefusals moves the drop and the base rules to the other table and back, with the second
// table refused by the kernel or the tool at first, in both families. The first table has been changed by
// then. Every other time it cannot be put back either, so that the next change begins with the drop in both
// tables. Meanwhile no packet of a blocked address arrives, and none of a phone is lost.
func TestPacketsDuringRefusals(t *testing.T) {
	const changes = 32
	for _, backend := range []string{"nft", "legacy"} {
		t.Run(backend, func(t *testing.T) {
			l := newLab(t, backend, iptables.IPv4)
			restores := testrules.NewRestores(t, backend)
			l.apply(fullAt(ruleset.AtInput))
			f := beginFire(l, l.twin())
			ctx := t.Context()
			for i := range changes {
				to := [...]ruleset.Place{ruleset.AtPrerouting, ruleset.AtPrerouting, ruleset.AtInput, ruleset.AtInput}[i%4]
				want, refused := fullAt(to).Wanted(), i%2 == 0
				if refused {
					want = testrules.SecondRefused(want, [...]string{"kernel", "tool"}[i/4%2], iptables.Families[:]...)
				}
				restores.Break(t, refused && i/8%2 == 1)
				saved, err := l.fw.Read(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if done, err := l.fw.Apply(ctx, want, saved, nil); (err != nil) != refused || refused && (done.Failed[0] == nil || done.Failed[1] == nil) {
					t.Fatalf("change %d: %v", i, err)
				}
			}
			f.end()
			for _, s := range f.sides {
				s.judge(changes)
			}
		})
	}
}

// judge looks at what happened while the rules were changed.
func (s *side) judge(changes int) {
	l := s.lab
	l.t.Helper()
	l.t.Logf("%s: %d changes; %d packets of the blocked addresses; %d questions of the phone answered, %d lost", l.family, changes, s.fired(), s.answered, s.lost)
	if s.fired() < 100*changes || s.answered < changes {
		l.t.Errorf("%s: too little fire to prove anything", l.family)
	}
	if s.lost != 0 {
		l.t.Errorf("%s: %d packets of the phone or to it were lost", l.family, s.lost)
	}
	if got := len(l.arrived(firePort)); got != 0 {
		l.t.Errorf("%s: %d packets of the blocked addresses arrived", l.family, got)
	}
	if got := l.leaked(); got != 0 {
		l.t.Errorf("%s: %d packets of the blocked addresses came past the drop", l.family, got)
	}
	for i, a := range s.attackers {
		if got := l.knownBy(a.set); got != a.fired {
			l.t.Errorf("%s: %s counted %d of %d packets", l.family, a.set, got, a.fired)
		}
		// This check sees packets that do get through.
		l.run("", "ipset", "del", a.set, a.addr.String())
		if got := l.knock(a.caller, "udp", firePort); got != accepted || l.leaked() != i+1 {
			l.t.Errorf("%s: out of %s, the address is %s, and %d packets were seen", l.family, a.set, got, l.leaked())
		}
	}
}

// changeAndRepair goes through settings, each of which changes several rules. Every other time it repairs
// instead: another program's rule is above voipbl's.
func (l *lab) changeAndRepair(changes int, f *fire) {
	l.t.Helper()
	logged, outbound := fullAt(ruleset.AtInput), fullAt(ruleset.AtPrerouting)
	logged.LogDrops, outbound.DropOutbound = ruleset.LogNetlink, true
	settings := []ruleset.Settings{
		fullAt(ruleset.AtPrerouting), dropOnly(ruleset.AtPrerouting), dropOnly(ruleset.AtInput),
		logged, outbound, fullAt(ruleset.AtInput),
	}
	ctx := l.t.Context()
	saved, err := l.fw.Read(ctx)
	if err != nil {
		l.t.Fatal(err)
	}
	var now ruleset.Settings
	var known *firewall.Readback
	for i := range changes {
		if repair := i%2 == 1; repair {
			f.sides[i/2%2].lab.intrude("-D", now.DropAt, "-I")
			if saved, err = l.fw.Read(ctx); err != nil {
				l.t.Fatal(err)
			}
		} else {
			now = settings[i/2%len(settings)]
		}
		done, err := l.fw.Apply(ctx, now.Wanted(), saved, known)
		if err != nil {
			l.t.Fatalf("change %d: %v", i, err)
		}
		if len(firewall.Changes(done.Plans)) == 0 {
			l.t.Fatalf("change %d changed nothing", i)
		}
		saved, known = done.Saved, done.Readback
	}
}
