package iptables

import (
	"slices"
	"testing"
)

// TestWords reads the quotes of iptables-save.
func TestWords(t *testing.T) {
	for rule, want := range map[string][]string{
		`-m comment --comment "a \"b\" \\ c" -j X`: {"-m", "comment", "--comment", `a "b" \ c`, "-j", "X"},
		`-i a"b  -j X`:   {"-i", `a"b`, "-j", "X"},
		`--comment "a\`:  {"--comment", `a\`},
		`--comment "a\"`: {"--comment", `a"`},
		`--comment ""`:   {"--comment", ""},
		``:               nil,
	} {
		if got := Words(rule); !slices.Equal(got, want) {
			t.Errorf("%s: %q", rule, got)
		}
	}
	const quoted = `-m comment --comment "voipbl: it's \"so\"" -j DROP`
	for rule, want := range map[string]string{"-p tcp -j DROP": "-p tcp -j DROP", quoted: quoted, `-p tcp -m comment --comment "voipbl: a" -j DROP`: "-p tcp -j DROP", `-m comment --comment "voipbl: " -j DROP`: `-m comment --comment "voipbl: " -j DROP`} {
		if got := WithoutPurpose(rule); got != want {
			t.Errorf("%s: %s", rule, got)
		}
	}
}

// TestRuleText reads rules as the kernel lists them, some with comments that look like voipbl's. The field
// ours is for rules in the kernel's own chains: in voipbl's chains, all rules are its own.
func TestRuleText(t *testing.T) {
	for _, test := range []struct {
		name, rule      string
		ours            bool
		target, purpose string
		without         string // the rule without the purpose; empty if it stays as it is
	}{
		{
			name: "our drop", rule: `-m set --match-set voip_bl src -m comment --comment "voipbl: drop what comes from blocked addresses" -j DROP`,
			ours: true, target: "DROP", purpose: "drop what comes from blocked addresses",
			without: `-m set --match-set voip_bl src -j DROP`,
		},
		{
			name: "our drop of what goes out, with a log", rule: `-m set --match-set voip_bl dst ! --update-counters -m comment --comment "voipbl: drop what goes to blocked addresses" -j VOIPBL-DROP`,
			ours: true, target: "VOIPBL-DROP", purpose: "drop what goes to blocked addresses",
			without: `-m set --match-set voip_bl dst ! --update-counters -j VOIPBL-DROP`,
		},
		{
			name: "our jump", rule: `-m comment --comment "voipbl: the base rules, which end in DROP" -j VOIPBL-INPUT`,
			ours: true, target: "VOIPBL-INPUT", purpose: "the base rules, which end in DROP", without: "-j VOIPBL-INPUT",
		},
		{
			name: "our way out", rule: `-m comment --comment "voipbl: everything may go out" -j ACCEPT`,
			ours: true, target: "ACCEPT", purpose: "everything may go out", without: "-j ACCEPT",
		},
		{
			name: "an old drop of ours", rule: `-m set --match-set voip_bl src -m comment --comment "voipbl: as it was called once" -j DROP`,
			ours: true, target: "DROP", purpose: "as it was called once", without: `-m set --match-set voip_bl src -j DROP`,
		},
		{
			name: "one of a chain of ours", rule: `-i lo -m comment --comment "voipbl: everything on this host itself" -j ACCEPT`,
			target: "ACCEPT", purpose: "everything on this host itself", without: `-i lo -j ACCEPT`,
		},
		{
			name: "one of a chain of ours, without a target", rule: `-p udp -m recent --set --name VOIP --mask 255.255.255.255 --rsource -m comment --comment "voipbl: sip: remember who sends INVITE"`,
			purpose: "sip: remember who sends INVITE",
			without: `-p udp -m recent --set --name VOIP --mask 255.255.255.255 --rsource`,
		},
		{
			name: "one of a chain of ours, with options of the target", rule: `-m comment --comment "voipbl: log some of the drops" -j NFLOG --nflog-prefix "voipbl-drop: "`,
			target: "NFLOG", purpose: "log some of the drops", without: `-j NFLOG --nflog-prefix "voipbl-drop: "`,
		},
		{
			name: "options that look like a target", rule: `-m comment --comment "voipbl: log" -j LOG --log-prefix "a -j ACCEPT b"`,
			target: "LOG", purpose: "log", without: `-j LOG --log-prefix "a -j ACCEPT b"`,
		},
		{
			name: "somebody's rule with a comment as ours", rule: `-s 198.51.100.7/32 -m comment --comment "voipbl: let my provider in" -j ACCEPT`,
			target: "ACCEPT", purpose: "let my provider in", without: `-s 198.51.100.7/32 -j ACCEPT`,
		},
		{
			name: "somebody's drop with a comment as ours", rule: `-s 198.51.100.7/32 -m comment --comment "voipbl: him as well" -j DROP`,
			target: "DROP", purpose: "him as well", without: `-s 198.51.100.7/32 -j DROP`,
		},
		{name: "nothing at all", rule: ""},
		{name: "a target alone", rule: "-j fail2ban-ssh", target: "fail2ban-ssh"},
		{name: "a goto", rule: "-p tcp -g VOIPBL-INPUT", target: "VOIPBL-INPUT"},
		{name: "no comment", rule: "-m set --match-set voip_bl src -j DROP", target: "DROP"},
		{name: "a comment of one word", rule: "-m comment --comment voipbl: -j DROP", target: "DROP"},
		{name: "another program's comment", rule: `-m comment --comment "voipbl-exporter: count" -j RETURN`, target: "RETURN"},
		{name: "our word later in a comment", rule: `-m comment --comment "not voipbl: mine" -j RETURN`, target: "RETURN"},
		{
			name: "our mark within a comment", rule: `-m comment --comment "see --comment \"voipbl: drop\" -j DROP" -j RETURN`, target: "RETURN",
		},
		{
			name: "our mark within a comment, at its end", rule: `-m comment --comment "-m comment --comment \"voipbl: drop\"" -j ACCEPT`, target: "ACCEPT",
		},
		{
			name: "a backslash before the closing quote", rule: `-m comment --comment "C:\\" -m comment --comment "x -j DROP" -j ACCEPT`, target: "ACCEPT",
		},
		{
			name: "our mark in a log prefix", rule: `-j LOG --log-prefix " --comment \"voipbl: "`, target: "LOG",
		},
		{
			name: "a target in a log prefix", rule: `-j LOG --log-prefix "x -j VOIPBL-INPUT y"`, target: "LOG",
		},
		{
			name: "a target in a string to look for", rule: `-m string --string " -g VOIPBL-DROP " --algo bm -j ACCEPT`, target: "ACCEPT",
		},
		{
			name: "a target in a comment and none else", rule: `-m comment --comment "to do: -j DROP"`,
		},
		{
			name: "a chain whose name begins with a flag's letter", rule: `-p tcp -j -j`, target: "-j",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := IsOurHook(test.rule); got != test.ours {
				t.Errorf("ours: %v", got)
			}
			if got := Target(test.rule); got != test.target {
				t.Errorf("target %q, want %q", got, test.target)
			}
			if got := Purpose(test.rule); got != test.purpose {
				t.Errorf("purpose %q, want %q", got, test.purpose)
			}
			want := test.without
			if want == "" {
				want = test.rule
			}
			if got := WithoutPurpose(test.rule); got != want {
				t.Errorf("without its purpose %q, want %q", got, want)
			}
		})
	}
}

// TestIsOurs: in a chain of the kernel, a rule is voipbl's by its comment, and in one of voipbl's chains by
// its comment and the chain. Other programs' rules are not.
func TestIsOurs(t *testing.T) {
	const drop, inner = `-m set --match-set voip_bl src -m comment --comment "voipbl: x" -j DROP`, `-i lo -m comment --comment "voipbl: x" -j ACCEPT`
	for _, test := range []struct {
		chain, rule string
		want        bool
	}{
		{"INPUT", drop, true},
		{"INPUT", inner, false},
		{"INPUT", "-j DROP", false},
		{BaseChain, inner, true},
		{BaseChain, "-j DROP", false},
	} {
		if got := IsOurs(test.chain, test.rule); got != test.want {
			t.Errorf("%s %s: %v", test.chain, test.rule, got)
		}
	}
}

func TestNext(t *testing.T) {
	words := []string{"-s", "10.0.0.0/8", "-j"}
	for i, want := range []string{"10.0.0.0/8", "-j", "", ""} {
		if got := Next(words, i); got != want {
			t.Errorf("behind word %d: %q", i, got)
		}
	}
}

func TestProtocols(t *testing.T) {
	for name, want := range map[string]struct {
		rule    string
		noPorts bool
	}{"tcp": {"tcp", false}, "gre": {"47", true}, "esp": {"esp", true}, "50": {"esp", false}, "ipv6": {"41", false}, "6in4": {"41", true}} {
		if got := ProtocolOf(name); got != want.rule || HasNoPorts(name) != want.noPorts {
			t.Errorf("%s: %q, without ports: %v", name, got, HasNoPorts(name))
		}
	}
}
