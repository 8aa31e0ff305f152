package fail2ban_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// kept is a rule that FreePBX's firewall restores: its text before the target, and the target's name
// without options.
type kept struct{ before, target string }

func keptRule(rule string) kept {
	before, after, _ := strings.Cut(rule, "-j ")
	return kept{strings.TrimSpace(before), strings.Fields(after)[0]}
}

func keeps(text string) bool {
	return strings.Contains(text, "f2b") || strings.Contains(text, "fail2ban")
}

// freePBXStarts changes the filter table as FreePBX 17's firewall does whenever it starts: it removes all
// rules and chains, puts its own rule first in INPUT, and restores above that one rule of INPUT for each
// target, and all rules of chains, with names like fail2ban's. It restores those of IPv4, or of both
// families, and then IPv6's INPUT gets IPv4's rules first.
func (h *host) freePBXStarts(families int) {
	h.Helper()
	chain := func(f int, name string) (rules []kept) {
		for _, r := range h.rules(f, name) {
			rules = append(rules, keptRule(r))
		}
		return rules
	}
	input := []kept{{"", "fpbxfirewall"}}
	lower := [2]map[string][]kept{{}, {}}
	targets := map[string]bool{}
	for f := range families {
		for _, r := range h.rules(f, "INPUT") {
			if k := keptRule(r); keeps(r) && !targets[k.target] {
				input, targets[k.target] = append(input, k), true
			}
		}
		for line := range strings.Lines(h.sh(tables[f] + "-save -t filter")) {
			if name, isChain := strings.CutPrefix(strings.Fields(line)[0], ":"); isChain && keeps(name) {
				lower[f][name] = chain(f, name)
			}
		}
	}
	h.sh("for t in iptables ip6tables; do $t -w 5 -F; $t -w 5 -X; $t -w 5 -N fpbxfirewall; $t -w 5 -A fpbxfirewall -i lo -j ACCEPT; done")
	for _, k := range input {
		for f := range families {
			// It ignores an existing chain, and a rule of the other family.
			h.run(tables[f] + " -w 5 -N " + k.target)
			h.run(tables[f] + " -w 5 -I INPUT " + k.before + " -j " + k.target)
		}
	}
	if families == 1 {
		h.sh("ip6tables -w 5 -I INPUT -j fpbxfirewall")
	}
	for f := range families {
		for name, rules := range lower[f] {
			h.run(tables[f] + " -w 5 -N " + name)
			for _, k := range rules {
				h.run(tables[f] + " -w 5 -A " + name + " " + k.before + " -j " + k.target)
			}
		}
	}
}

// TestFreePBX: bans survive a start of FreePBX's firewall, which removes all rules. What it does not
// restore, the next ban restores. Its own check for rules of other programs above its own finds
// none.
func TestFreePBX(t *testing.T) {
	jails := asterisk("action = voipbl-set[marks=DIR]") + sshJail
	for name, families := range map[string]int{"puts back IPv4": 1, "puts back both families": 2} {
		t.Run(name, func(t *testing.T) {
			onEachBackend(t, func(h *host) {
				h.serve()
				h.jails(jails)
				h.start()
				h.attack(attacker[:]...)
				h.banned(sets, attacker)
				h.banSSH(attacker[0].String(), attacker[1].String())
				h.freePBXStarts(families)
				for f := range families {
					h.keptWhole(f)
					for what, knock := range map[string]func(int, netip.Addr) string{"SIP": h.knock, "SSH": h.dial} {
						if got := knock(f, attacker[f]); got != rejected {
							h.Errorf("after a start, %s of %s is %s\n%s", what, attacker[f], got, h.sh(tables[f]+"-save"))
						}
					}
				}

				// The next ban puts back the rest, and leaves the whole as it was.
				h.attack(bystander[:]...)
				h.banned(sets, bystander)
				h.banSSH(bystander[0].String(), bystander[1].String())
				for f := range tables {
					h.keptWhole(f)
				}
				h.expect("after the next ban", h.knock, attacker, rejected)
				h.expect("after the next ban", h.knock, bystander, rejected)
				h.expect("after the next ban", h.dial, bystander, rejected)

				h.forget()
				h.client("stop")
				h.server.Wait()
				for f, name := range tables {
					if left := h.sh(name + "-save -t filter"); strings.Contains(left, "f2b") || strings.Contains(left, "fail2ban") {
						h.Errorf("after fail2ban's stop there is\n%s", left)
					}
					if got := h.rules(f, "INPUT"); !slices.Equal(got, []string{"-j fpbxfirewall"}) {
						h.Errorf("after fail2ban's stop INPUT is %q", got)
					}
				}
			})
		})
	}
}

// keptWhole checks that voipbl-set's and voipbl-ssh's rules of a family are as they made them,
// above FreePBX's own.
func (h *host) keptWhole(family int) {
	h.Helper()
	input := h.rules(family, "INPUT")
	slices.Sort(input)
	want := []string{setJump, "-j fpbxfirewall", "-j " + sshChain}
	slices.Sort(want)
	if diff := cmp.Diff(want, input); diff != "" {
		h.Errorf("INPUT (-want +got):\n%s", diff)
	}
	if last := h.rules(family, "INPUT"); last[len(last)-1] != "-j fpbxfirewall" {
		h.Errorf("FreePBX's rule is not the last of %q", last)
	}
	if diff := cmp.Diff(ours(family), h.rules(family, setChain)); diff != "" {
		h.Errorf("%s (-want +got):\n%s", setChain, diff)
	}
}
