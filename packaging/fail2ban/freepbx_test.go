package fail2ban_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// kept is a rule that FreePBX's firewall puts back: what stands before the target, and the
// target's name without its options.
type kept struct{ before, target string }

func keptRule(rule string) kept {
	before, after, _ := strings.Cut(rule, "-j ")
	return kept{strings.TrimSpace(before), strings.Fields(after)[0]}
}

func keeps(text string) bool {
	return strings.Contains(text, "f2b") || strings.Contains(text, "fail2ban")
}

// freePBXStarts does to the filter table what FreePBX 17's firewall does whenever it starts: it
// takes out all rules and chains, has its own as the first rule of INPUT, and puts back one rule
// of INPUT for each target, above that, and all rules of chains, if they have the names of
// fail2ban's. What it puts back is IPv4's alone, or in both families: there the rules of INPUT
// are those of IPv4 first.
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
			// A chain that is there, and a rule of the other family, it does not mind.
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

// TestFreePBX: bans hold over a start of FreePBX's firewall, which takes all rules out; of what
// it does not put back, the next ban does. Its own look, whether a rule of somebody else stands
// above its own, finds none.
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
