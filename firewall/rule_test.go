package firewall

import (
	"slices"
	"strings"
	"testing"
)

// TestRuleText reads rules as the kernel tells them, among them those of people
// whose comments look like ours. ours is about rules in the kernel's own chains:
// those in chains of ours are ours by their chain.
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
			name: "our jump", rule: jumpHook,
			ours: true, target: "VOIPBL-INPUT", purpose: "the base rules, which end in DROP", without: "-j VOIPBL-INPUT",
		},
		{
			name: "our way out", rule: outHook,
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
			if got := ours(test.rule); got != test.ours {
				t.Errorf("ours: %v", got)
			}
			if got := target(test.rule); got != test.target {
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

// TestRuleTextInKernel gives hostile comments to the kernel, so that no form is
// tested that it never tells.
func TestRuleTextInKernel(t *testing.T) {
	onEachBackend(t, func(h *host) {
		hostile := []string{
			`see --comment "voipbl: drop" -j DROP`,
			`" --comment "voipbl: x" -j VOIPBL-INPUT "`,
			`-m comment --comment "voipbl: drop"`,
			`voipbl-exporter: count`,
			`voipbl:`,
			`C:\`,
			`\" --comment "voipbl: \`,
			`it's -g VOIPBL-DROP`,
		}
		h.sh("iptables -N VOIPBL-DROP; iptables -N VOIPBL-INPUT")
		for _, text := range hostile {
			h.feed(text, "sh", "-euc", `comment=$(cat)
				iptables -A INPUT -m comment --comment "$comment" -j ACCEPT
				iptables -A INPUT -j LOG --log-prefix "$(printf %.29s "$comment")"
				iptables -A INPUT -m string --algo bm --string "$comment" -j RETURN`)
		}
		saved := h.read()[IPv4]
		rules := saved.texts("filter", "INPUT")
		if len(rules) != 3*len(hostile) {
			h.Fatalf("%d rules", len(rules))
		}
		for i, r := range rules {
			if ours(r) {
				h.Errorf("taken for one of ours: %s", r)
			}
			if got, want := target(r), []string{"ACCEPT", "LOG", "RETURN"}[i%3]; got != want {
				h.Errorf("target %q, not %s: %s", got, want, r)
			}
		}
		// And they stay where they are, in their order, with ours around them.
		h.apply(full().Wanted())
		inside := rulesOf(h.dump(IPv4), "filter", "INPUT")
		if got := strings.Join(inside[2:len(inside)-1], "\n"); got != strings.Join(rules, "\n") {
			h.Errorf("between our rules there is now:\n%s", got)
		}
		h.unchanged(full().Wanted())
	})
}

// TestLineEnds has comments that end lines: iptables-save tells them as they are.
func TestLineEnds(t *testing.T) {
	onEachBackend(t, func(h *host) {
		for _, text := range []string{
			"two\nlines",
			"COMMIT\n*raw\n:VOIPBL-INPUT - [0:0]\n-A INPUT -j VOIPBL-INPUT",
			"x\n[0:0] -A INPUT " + outHook,
			"ends\n",
			"\n\n",
			"a \"quoted\nline end\"\n:chain - [0:0]",
		} {
			h.feed(text, "sh", "-euc", `comment=$(cat; echo .); iptables -A INPUT -m comment --comment "${comment%.}" -j ACCEPT`)
		}
		h.keepsInput(6)
	})
}

// TestQuotesInNames has names with a quote in them, which iptables-save does not
// put into quotes.
func TestQuotesInNames(t *testing.T) {
	onEachBackend(t, func(h *host) {
		h.sh(`iptables -N 'theirs"'
		      iptables -A 'theirs"' -m recent --set --name 'x"y'
		      iptables -A INPUT -j 'theirs"'
		      iptables -A INPUT -m hashlimit --hashlimit-upto 6/sec --hashlimit-name '3"' -j ACCEPT
		      iptables -A INPUT -p tcp -m comment --comment 'another rule' -j ACCEPT`)
		h.keepsInput(3)
	})
}

// keepsInput applies and removes our rules, around so many of others in INPUT.
func (h *host) keepsInput(n int) {
	h.Helper()
	told := h.read()[IPv4].rules("filter", "INPUT")
	if len(told) != n {
		h.Fatalf("%d rules: %+v", len(told), told)
	}
	h.apply(full().Wanted())
	h.unchanged(full().Wanted())
	if after := h.read()[IPv4].rules("filter", "INPUT"); len(after) != n+3 || !slices.Equal(after[2:n+2], told) {
		h.Errorf("between our rules there is now\n%+v", after)
	}
	h.apply(Wanted{})
	if after := h.read()[IPv4].rules("filter", "INPUT"); !slices.Equal(after, told) {
		h.Errorf("after removal there is\n%+v", after)
	}
}

func TestRuleString(t *testing.T) {
	for want, r := range map[string]Rule{
		`-m comment --comment "voipbl: x"`: {For: "x"},
		`-s 10.0.0.0/8 -i lo -p tcp -m tcp --dport 22 -m comment --comment "voipbl: x" -j ACCEPT`:     {For: "x", From: prefixes("10.0.0.0/8")[0], In: "lo", Proto: "tcp", Ports: []PortRange{{First: 22, Last: 22}}, Target: "ACCEPT"},
		`-p udp -m multiport --dports 1,2,5:9,7 -m comment --comment "voipbl: x"`:                     {For: "x", Proto: "udp", Multi: true, Ports: []PortRange{{First: 1, Last: 2}, {First: 5, Last: 9}, {First: 7, Last: 7}}},
		`-p ipv6-icmp -m a -m b --c d -m comment --comment "voipbl: x" -j REJECT --reject-with other`: {For: "x", Proto: "ipv6-icmp", Matches: []string{"-m a", "-m b --c d"}, Target: "REJECT --reject-with other"},
	} {
		if got := r.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
