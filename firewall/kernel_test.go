package firewall

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testrules"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

// TestEveryConfiguration applies each configuration to an empty kernel: all rules are there, and applying
// it again changes nothing. Then it goes from each to another, with the same result as from an empty
// kernel.
func TestEveryConfiguration(t *testing.T) {
	all := testrules.Configurations()
	onEachBackend(t, func(h *host) {
		h.sh("ipset create bad_guys hash:net; ipset create bad_guys6 hash:net family inet6; ipset create own_bans hash:net; ipset create own_bans6 hash:net family inet6; ipset create voip_known hash:ip; ipset create voip_known6 hash:ip family inet6")
		fresh := make(map[string][2]string)
		for name, s := range all {
			h.empty()
			h.apply(s.Wanted())
			dumps := h.unchanged(s.Wanted())
			fresh[name] = [2]string{uncounted(dumps[iptables.IPv4]), uncounted(dumps[iptables.IPv6])}
			for _, f := range iptables.Families {
				if err := holds(fresh[name][f], s.Tables(f)); err != nil {
					h.Errorf("%s: %s: %v", name, f, err)
				}
			}
		}
		for _, name := range []string{
			"everything-input", "drop-prerouting", "base-several-networks", "everything-prerouting", "base-sip-private",
			"log-netlink-outbound-prerouting", "outbound", "services-changed", "drop-other-set", "everything-input",
		} {
			h.apply(all[name].Wanted())
			if diff := diff(fresh[name], h.rules()); diff != "" {
				h.Fatalf("%s: not as in an empty kernel (-empty +got):\n%s", name, diff)
			}
		}
	})
}

// empty removes all rules but not fail2ban's chain, and forgets the Readback.
func (h *host) empty() {
	h.Helper()
	for _, f := range iptables.Families {
		h.feed("*raw\nCOMMIT\n*filter\n:fail2ban-ssh - [0:0]\nCOMMIT\n", f.Command()+"-restore")
	}
	h.known = nil
}

// TestRemoval leaves nothing of voipbl's, even if the state is lost.
func TestRemoval(t *testing.T) {
	onEachBackend(t, func(h *host) {
		h.empty()
		for _, known := range []bool{true, false} {
			for _, name := range []string{"log-netlink-outbound-prerouting", "everything-input", "everything-prerouting"} {
				h.apply(testrules.Configurations()[name].Wanted())
				if !known {
					h.known = nil
				}
				h.apply(ruleset.Wanted{})
				if got := h.rules(); got != [2]string{bare, bare} {
					h.Fatalf("%s: after removal there is:\n%s", name, got)
				}
			}
		}
		h.unchanged(ruleset.Wanted{})
	})
}

// bare is a host with nothing but fail2ban's chain.
const bare = "*filter\n:INPUT ACCEPT \n:FORWARD ACCEPT \n:OUTPUT ACCEPT \n:fail2ban-ssh - \nCOMMIT\n"

// holds compares the chains of a listing with what was written, by the purposes of the rules, since the
// kernel lists rules in another form.
func holds(save string, want []iptables.Table) error {
	for _, table := range want {
		for _, c := range table.Chains {
			if got := rulesOf(save, table.Name, c.Name); !slices.Equal(purposes(got), purposes(c.Rules)) {
				return fmt.Errorf("chain %s is for %q, and should be for %q", c.Name, purposes(got), purposes(c.Rules))
			}
		}
		for _, chain := range iptables.HookChains(table) {
			first, last := table.HooksIn(chain)
			if got, want := rulesOf(save, table.Name, chain), slices.Concat(first, last); !slices.Equal(got, want) {
				return fmt.Errorf("chain %s has %q, and should have %q", chain, got, want)
			}
		}
	}
	return nil
}

func purposes(rules []string) []string {
	var ps []string
	for _, r := range rules {
		_, p, _ := strings.Cut(r, `--comment "voipbl: `)
		p, _, _ = strings.Cut(p, `"`)
		ps = append(ps, p)
	}
	return ps
}

// TestTwice sends real packets, so that there are counters to lose.
func TestTwice(t *testing.T) {
	onEachBackend(t, func(h *host) {
		h.inBoth("IPT -A INPUT -p tcp --dport 8080 -j ACCEPT")
		h.apply(testrules.Everything().Wanted())
		for _, f := range iptables.Families {
			for range 3 {
				h.sendUDP(f, 5060)
			}
			for _, c := range []string{"INPUT", "OUTPUT", iptables.BaseChain} {
				if n := packetsIn(h.dump(f), c); n < 3 {
					h.Fatalf("%s: the rules of %s have counted %d packets", f, c, n)
				}
			}
		}
		h.unchanged(testrules.Everything().Wanted())
		h.unchanged(testrules.Everything().Wanted())
	})
}

// packetsIn returns what the rules of a chain have counted.
func packetsIn(dump, chain string) (packets uint64) {
	saved, err := iptables.ParseSaved(iptables.IPv4, []byte(dump))
	if err != nil {
		panic(err)
	}
	for _, chains := range saved.Tables {
		if c := chains[chain]; c != nil {
			for _, r := range c.Rules {
				packets += r.Packets
			}
		}
	}
	return packets
}

// TestLostState applies without knowing how the kernel lists what was written, as after the loss of the
// state folder.
func TestLostState(t *testing.T) {
	onEachBackend(t, func(h *host) {
		h.apply(testrules.Everything().Wanted())
		h.seedCounters()
		before := h.kept()
		h.known = nil
		h.apply(testrules.Everything().Wanted())
		if diff := diff(before, h.kept()); diff != "" {
			h.Errorf("other rules or counters than before (-before +after):\n%s", diff)
		}
		h.unchanged(testrules.Everything().Wanted())
	})
}

// TestOtherTools ignores a Readback from other tools.
func TestOtherTools(t *testing.T) {
	onEachBackend(t, func(h *host) {
		h.apply(testrules.Full().Wanted())
		before := h.rules()
		h.known = &Readback{Tools: [2]string{"other tools", "other tools"}, Rules: [2]map[string]string{{"a": "b"}, {"a": "b"}}}
		h.apply(testrules.Full().Wanted())
		if diff := diff(before, h.rules()); diff != "" {
			h.Errorf("other rules than before (-before +after):\n%s", diff)
		}
		if slices.Contains(h.known.Tools[:], "other tools") {
			h.Error("what was learnt is still that of other tools")
		}
		h.unchanged(testrules.Full().Wanted())
	})
}

// TestOwn takes voipbl's rules from one kernel and restores them in an empty one.
func TestOwn(t *testing.T) {
	onEachBackend(t, func(h *host) {
		for _, name := range []string{"everything-input", "everything-prerouting", "ssh-several-ports"} {
			h.empty()
			h.apply(testrules.Configurations()[name].Wanted())
			before, saved := h.rules(), h.read()
			h.empty()
			h.apply(ruleset.Wanted{saved[iptables.IPv4].Own(), saved[iptables.IPv6].Own()})
			if diff := diff(before, h.rules()); diff != "" {
				h.Errorf("%s: not the same again (-before +after):\n%s", name, diff)
			}
			h.unchanged(ruleset.Wanted{saved[iptables.IPv4].Own(), saved[iptables.IPv6].Own()})
		}
	})
}

// TestOwnBase keeps the base rules as they are and changes only the drop.
func TestOwnBase(t *testing.T) {
	onEachBackend(t, func(h *host) {
		h.apply(testrules.Everything().Wanted())
		before := h.seedCounters()
		drop := testrules.AtPrerouting(testrules.DropOnly())
		h.apply(drop.Wanted().KeepBase(h.read()))
		after := h.dumps()
		for _, f := range iptables.Families {
			for _, chain := range []string{iptables.BaseChain, "INPUT", "OUTPUT"} {
				want := slices.DeleteFunc(rulesOf(before[f], "filter", chain), func(r string) bool { return strings.Contains(r, "voipbl: drop what") })
				if got := rulesOf(after[f], "filter", chain); !slices.Equal(got, want) {
					h.Errorf("%s: %s has %q, and had %q", f, chain, got, want)
				}
			}
			if got := purposes(rulesOf(after[f], "raw", "PREROUTING")); !slices.Equal(got, []string{"drop what comes from blocked addresses", "drop what comes from banned addresses"}) {
				h.Errorf("%s: PREROUTING has %q", f, got)
			}
			if lost := lostCounters(before[f], after[f]); h.restoresCounters(f) && len(lost) > 0 {
				h.Errorf("%s: counters are lost:\n%s", f, strings.Join(lost, "\n"))
			}
		}
		h.unchanged(drop.Wanted().KeepBase(h.read()))
	})
}

// TestKernelsForm writes rules that the kernel lists in another form: host bits, a network of
// everything.
func TestKernelsForm(t *testing.T) {
	onEachBackend(t, func(h *host) {
		s := testrules.Full()
		s.Base.LocalNetworks = testvalue.Prefixes("192.168.1.77/24", "0.0.0.0/0", "fd12:3456:789a::77/48", "::/0")
		h.apply(s.Wanted())
		for _, f := range iptables.Families {
			rules := strings.Join(rulesOf(h.dump(f), "filter", iptables.BaseChain), "\n")
			if !strings.Contains(rules, words[f].Replace("-s LAN -p tcp -m tcp --dport 22 ")) || strings.Contains(rules, "::77") || strings.Contains(rules, ".77") {
				h.Errorf("%s: the kernel does not mask:\n%s", f, rules)
			}
		}
		h.unchanged(s.Wanted())
	})
}
