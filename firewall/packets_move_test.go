package firewall_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

// TestPacketsDuringMoves moves the drop from INPUT to raw PREROUTING, where it belongs while base rules are
// on, and back, 220 times, half of them on each backend, in both families at once. Some moves are cut short
// between the two tables, as by kill -9. Meanwhile blocked and banned addresses send as fast as they can: no
// packet of theirs arrives, and what the rules have counted is not lost.
func TestPacketsDuringMoves(t *testing.T) {
	const moves = 110
	for _, backend := range []string{"nft", "legacy"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, backend, iptables.IPv4)
			at := map[bool]ruleset.Settings{false: dropOnly(ruleset.AtInput), true: fullAt(ruleset.AtPrerouting)}
			l.apply(at[false])
			f := beginFire(l, l.twin())
			for i := range moves {
				base := i%2 == 0
				cut := i%10 == 2 || i%10 == 9 // one of each direction
				if cut {
					l.cutShort(at[base])
				}
				l.move(at[base], !cut)
			}
			f.end()
			for _, s := range f.sides {
				s.judge(moves)
			}
		})
	}
}

// move makes the kernel hold settings with the drop in the other table, which must be a move.
func (l *lab) move(to ruleset.Settings, whole bool) {
	l.t.Helper()
	saved, err := l.fw.Read(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	done, err := l.fw.Apply(l.t.Context(), to.Wanted(), saved, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	if moves, _ := firewall.MovesDrop(firewall.Changes(done.Plans)); moves != whole {
		l.t.Fatalf("not a move: %v", firewall.Changes(done.Plans))
	}
	for _, f := range iptables.Families {
		carried := whole && !(f == iptables.IPv6 && l.fw.Backend == firewall.NFT) // ip6tables-nft-restore 1.8.9 reads no counters
		for table, is := range map[string]bool{"raw": to.DropAt == ruleset.AtPrerouting, "filter": to.DropAt == ruleset.AtInput} {
			chain := map[string]string{"raw": "PREROUTING", "filter": "INPUT"}[table]
			rules, before := done.Saved[f].Rules(table, chain), append(saved[f].Rules("raw", "PREROUTING"), saved[f].Rules("filter", "INPUT")...)
			for i := range 2 {
				ours := i < len(rules) && strings.Contains(rules[i].Text, "--match-set voip_")
				if ours != is {
					l.t.Fatalf("%s: %s %s has %v", f, table, chain, rules)
				}
				if !is {
					continue
				}
				for _, old := range before {
					if carried && old.Text == rules[i].Text && old.Packets > rules[i].Packets {
						l.t.Fatalf("%s: %d packets were counted before the move, and %d after it", f, old.Packets, rules[i].Packets)
					}
				}
			}
		}
	}
}

// cutShort carries out the first table of a move in both families, and nothing more.
func (l *lab) cutShort(to ruleset.Settings) {
	l.t.Helper()
	saved, err := l.fw.Read(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	for f, plan := range l.fw.Plan(to.Wanted(), saved, nil) {
		first, _, two := strings.Cut(plan.Text, "COMMIT\n")
		if !two || !strings.Contains(first, "--match-set voip_bl") {
			l.t.Fatalf("the plan begins with %s", first)
		}
		l.run(first+"COMMIT\n", fmt.Sprintf("%s-%s-restore", [...]string{"iptables", "ip6tables"}[f], l.fw.Backend), "--noflush", "--counters", "-w", "30")
	}
}
