package firewall

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/voipbl/voipbl/internal/testrules"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

// restored returns what iptables-restore --noflush --counters makes of a kernel, done slowly and by the
// manual. Thousands of plans are compared with it; a few are compared with the real kernel.
func restored(saved *iptables.Saved, text string) (*iptables.Saved, error) {
	after := &iptables.Saved{Family: saved.Family, Tables: maps.Clone(saved.Tables)}
	var name string
	var table map[string]*iptables.SavedChain
	for n, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		fail := func(why string) (*iptables.Saved, error) { return nil, fmt.Errorf("line %d: %s: %s", n+1, line, why) }
		switch {
		case line == "":
			continue
		case line[0] == '*':
			name = line[1:]
			table = make(map[string]*iptables.SavedChain)
			for _, chain := range builtIn[name] {
				table[chain] = &iptables.SavedChain{Policy: "ACCEPT"}
			}
			for chain, c := range saved.Tables[name] {
				table[chain] = &iptables.SavedChain{Policy: c.Policy, Rules: slices.Clone(c.Rules)}
			}
			continue
		case line == "COMMIT":
			if err := sound(table); err != nil {
				return fail(err.Error())
			}
			after.Tables[name], table = table, nil
			continue
		case line[0] == ':':
			chain, rest, _ := strings.Cut(line[1:], " ")
			if slices.Contains(builtIn[name], chain) || rest != "- [0:0]" {
				return fail("a chain that is not ours, or a policy")
			}
			table[chain] = &iptables.SavedChain{Policy: "-"}
			continue
		}
		r := iptables.SavedRule{}
		if counters, rest, counted := strings.Cut(line, "] "); counted && line[0] == '[' {
			fmt.Sscanf(counters, "[%d:%d", &r.Packets, &r.Bytes)
			line = rest
		}
		command, rest, _ := strings.Cut(line, " ")
		chain, rest, _ := strings.Cut(rest, " ")
		c := table[chain]
		if (c == nil) != (command == "-N") {
			return fail("the chain is there, or is not")
		}
		switch command {
		case "-N":
			table[chain] = &iptables.SavedChain{Policy: "-"}
		case "-A":
			r.Text = rest
			c.Rules = append(c.Rules, r)
		case "-I":
			position := 0
			fmt.Sscan(rest, &position)
			_, r.Text, _ = strings.Cut(rest, " ")
			if position < 1 || position > len(c.Rules)+1 {
				return fail("no such position")
			}
			c.Rules = slices.Insert(c.Rules, position-1, r)
		case "-D":
			i := slices.IndexFunc(c.Rules, func(r iptables.SavedRule) bool { return r.Text == rest })
			if i < 0 {
				return fail("no such rule")
			}
			c.Rules = slices.Delete(c.Rules, i, i+1)
		case "-F":
			c.Rules = nil
		case "-X":
			if len(c.Rules) > 0 {
				return fail("not empty")
			}
			if users := goingTo(table, chain); len(users) > 0 {
				return fail(fmt.Sprintf("in use: %q", users))
			}
			delete(table, chain)
		default:
			return fail("no command that is known")
		}
	}
	if table != nil {
		return nil, fmt.Errorf("no COMMIT at the end")
	}
	return after, nil
}

var builtIn = map[string][]string{"filter": {"INPUT", "FORWARD", "OUTPUT"}, "raw": {"PREROUTING", "OUTPUT"}}

// goingTo returns the rules of a table that go to a chain.
func goingTo(table map[string]*iptables.SavedChain, chain string) []string {
	var rules []string
	for _, c := range table {
		for _, r := range c.Rules {
			if iptables.Target(r.Text) == chain {
				rules = append(rules, r.Text)
			}
		}
	}
	return rules
}

// sound returns an error for a jump to a chain that does not exist.
func sound(table map[string]*iptables.SavedChain) error {
	for name, c := range table {
		for _, r := range c.Rules {
			if to := iptables.Target(r.Text); table[to] == nil && to != strings.ToUpper(to) || strings.HasPrefix(to, iptables.ChainPrefix) && table[to] == nil {
				return fmt.Errorf("a rule of %s goes to %s, which does not exist", name, to)
			}
		}
	}
	return nil
}

// modelWants are small, so that much of them is in the kernel by chance.
func modelWants() *rapid.Generator[[]iptables.Table] {
	return rapid.Custom(func(t *rapid.T) []iptables.Table {
		s := testrules.DropOnly()
		s.DropAt = rapid.SampledFrom([]ruleset.Place{ruleset.AtInput, ruleset.AtPrerouting}).Draw(t, "at")
		s.DropOutbound = rapid.Bool().Draw(t, "outbound")
		s.LogDrops = rapid.SampledFrom([]ruleset.LogTarget{ruleset.LogOff, ruleset.LogKernel}).Draw(t, "log")
		if rapid.Bool().Draw(t, "base") {
			s.Base = &ruleset.Base{LocalNetworks: testvalue.Prefixes("192.168.1.0/24"), SIP: ruleset.Ports{{First: 5060, Last: 5061}}, RTP: iptables.PortRange{First: 10000, Last: 20000}}
		}
		if rapid.IntRange(0, 4).Draw(t, "nothing") == 0 {
			return nil
		}
		return s.Tables(iptables.IPv4)
	})
}

// modelKernels are kernels with rules of other programs and of older versions of voipbl.
func modelKernels() *rapid.Generator[*iptables.Saved] {
	const drop = `-m set --match-set voip_bl src -m comment --comment "voipbl: drop what comes from blocked addresses" -j `
	const out = `-m set --match-set voip_bl dst ! --update-counters -m comment --comment "voipbl: drop what goes to blocked addresses" -j `
	ours := []string{
		drop + "DROP", out + "DROP", drop + "VOIPBL-DROP", out + "VOIPBL-DROP",
		`-m comment --comment "voipbl: the base rules, which end in DROP" -j VOIPBL-INPUT`,
		`-m comment --comment "voipbl: everything may go out" -j ACCEPT`,
		`-m comment --comment "voipbl: an old one" -j VOIPBL-OLD`,
	}
	foreign := []string{
		"-p tcp -m tcp --dport 8080 -j ACCEPT", "-p udp -j f2b-asterisk", "-j DROP", "-p icmp",
		`-m comment --comment "see --comment \"voipbl: drop\" -j DROP" -j ACCEPT`,
		"-m set --match-set voip_bl src -j DROP", "-s 203.0.113.0/24 -j VOIPBL-DROP", "-s 198.51.100.7/32 -g VOIPBL-OLD", "-s 192.0.2.1/32 -j VOIPBL-INPUT",
	}
	inside := append(ruleset.Settings{Sets: testrules.DropOnly().Sets, BanSets: testrules.DropOnly().BanSets, LogDrops: ruleset.LogKernel}.Tables(iptables.IPv4)[0].Chains[0].Rules,
		`-m comment --comment "voipbl: nothing else" -j DROP`, "-p tcp -j ACCEPT", "-j VOIPBL-DROP", "-j VOIPBL-OLD")
	return rapid.Custom(func(t *rapid.T) *iptables.Saved {
		s := &iptables.Saved{Family: iptables.IPv4, Tables: make(map[string]map[string]*iptables.SavedChain)}
		for _, name := range iptables.OurTables {
			if rapid.IntRange(0, 3).Draw(t, "no table") == 0 {
				continue
			}
			table := map[string]*iptables.SavedChain{"f2b-asterisk": {Policy: "-"}}
			s.Tables[name] = table
			for _, chain := range []string{"VOIPBL-DROP", "VOIPBL-INPUT", "VOIPBL-OLD", "fail2ban-ssh"} {
				if rapid.Bool().Draw(t, "chain") {
					table[chain] = &iptables.SavedChain{Policy: "-"}
				}
			}
			fill := func(chain string, rules []string) {
				for _, text := range rapid.SliceOfN(rapid.SampledFrom(rules), 0, 6).Draw(t, "rules of "+chain) {
					if to := iptables.Target(text); strings.HasPrefix(to, iptables.ChainPrefix) && table[to] == nil || to == chain {
						continue
					}
					n := rapid.Uint64Range(0, 3).Draw(t, "packets")
					table[chain].Rules = append(table[chain].Rules, iptables.SavedRule{Text: text, Packets: n, Bytes: 40 * n})
				}
			}
			for _, chain := range builtIn[name] {
				table[chain] = &iptables.SavedChain{Policy: "ACCEPT"}
				fill(chain, append(foreign, ours...))
			}
			// One chain of ours jumps to another, and none back.
			for _, chain := range []string{"VOIPBL-DROP", "VOIPBL-INPUT"} {
				if table[chain] != nil {
					fill(chain, inside[:4+2*strings.Count(chain, "INPUT")])
				}
			}
		}
		return s
	})
}

// TestPlanOnModel applies plans to kernels in any state: afterwards they hold what is wanted, and all else
// is as it was.
func TestPlanOnModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, want := modelKernels().Draw(t, "kernel"), modelWants().Draw(t, "want")
		plan := NewPlan(want, before, nil)
		if plan.Unchanged() != (plan.Text == "") {
			t.Fatalf("%d changes, and the text\n%s", len(plan.Changes), plan.Text)
		}
		after, err := restored(before, plan.Text)
		if err != nil {
			t.Fatalf("refused: %v\n%s", err, plan.Text)
		}
		if again := NewPlan(want, after, nil); !again.Unchanged() {
			t.Fatalf("a second plan has %v", again.Changes)
		}
		for _, table := range want {
			for _, c := range table.Chains {
				if got := after.Texts(table.Name, c.Name); !slices.Equal(got, c.Rules) {
					t.Fatalf("%s has %q, not %q", c.Name, got, c.Rules)
				}
			}
			for _, name := range builtIn[table.Name] {
				first, last := table.HooksIn(name)
				rules := after.Texts(table.Name, name)
				if n := len(rules) - len(last); !slices.Equal(rules[:len(first)], first) || !slices.Equal(rules[n:], last) {
					t.Fatalf("%s has %q, not first %q and last %q", name, rules, first, last)
				}
			}
		}
		for _, name := range iptables.OurTables {
			for chain := range after.Tables[name] {
				checkOthers(t, name, chain, before.Rules(name, chain), after.Rules(name, chain))
				checkCounters(t, name, chain, before.Rules(name, chain), after.Rules(name, chain))
			}
			for chain := range before.Tables[name] {
				if !after.HasChain(name, chain) && !strings.HasPrefix(chain, iptables.ChainPrefix) {
					t.Fatalf("chain %s is gone", chain)
				}
			}
		}
	})
}

// checkOthers compares the rules of other programs.
func checkOthers(t *rapid.T, table, chain string, before, after []iptables.SavedRule) {
	if strings.HasPrefix(chain, iptables.ChainPrefix) {
		return
	}
	isOurs := func(r iptables.SavedRule) bool { return strings.Contains(r.Text, `-m comment --comment "voipbl: `) }
	want, got := slices.DeleteFunc(slices.Clone(before), isOurs), slices.DeleteFunc(slices.Clone(after), isOurs)
	if !slices.Equal(want, got) {
		t.Fatalf("the rules of others in %s %s were\n%v\nand are\n%v", table, chain, want, got)
	}
}

// checkCounters looks for lost counts: a rule that was there before keeps its count, and so does each of
// several equal ones.
func checkCounters(t *rapid.T, table, chain string, before, after []iptables.SavedRule) {
	left := slices.Clone(before)
	for _, r := range after {
		i := slices.IndexFunc(left, func(old iptables.SavedRule) bool { return old.Text == r.Text })
		if i < 0 {
			continue
		}
		if left[i] != r {
			t.Fatalf("%s %s: %v is now %v", table, chain, left[i], r)
		}
		left = slices.Delete(left, i, i+1)
	}
}
