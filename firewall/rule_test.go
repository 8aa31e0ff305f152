package firewall

import (
	"slices"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testrules"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

// TestRuleTextInKernel gives hostile comments to the kernel, so that only forms are tested that it really
// lists.
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
		saved := h.read()[iptables.IPv4]
		rules := saved.Texts("filter", "INPUT")
		if len(rules) != 3*len(hostile) {
			h.Fatalf("%d rules", len(rules))
		}
		for i, r := range rules {
			if iptables.IsOurHook(r) {
				h.Errorf("taken for one of ours: %s", r)
			}
			if got, want := iptables.Target(r), []string{"ACCEPT", "LOG", "RETURN"}[i%3]; got != want {
				h.Errorf("target %q, not %s: %s", got, want, r)
			}
		}
		// They stay where they are, in order, with voipbl's rules around them.
		h.apply(testrules.Full().Wanted())
		inside := rulesOf(h.dump(iptables.IPv4), "filter", "INPUT")
		if got := strings.Join(inside[2:len(inside)-1], "\n"); got != strings.Join(rules, "\n") {
			h.Errorf("between our rules there is now:\n%s", got)
		}
		h.unchanged(testrules.Full().Wanted())
	})
}

// TestLineEnds has comments with line breaks, which iptables-save prints unchanged.
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

// TestQuotesInNames has names with a quote in them, which iptables-save does not quote.
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

// keepsInput applies and removes voipbl's rules, around n rules of others in INPUT.
func (h *host) keepsInput(n int) {
	h.Helper()
	told := h.read()[iptables.IPv4].Rules("filter", "INPUT")
	if len(told) != n {
		h.Fatalf("%d rules: %+v", len(told), told)
	}
	h.apply(testrules.Full().Wanted())
	h.unchanged(testrules.Full().Wanted())
	if after := h.read()[iptables.IPv4].Rules("filter", "INPUT"); len(after) != n+3 || !slices.Equal(after[2:n+2], told) {
		h.Errorf("between our rules there is now\n%+v", after)
	}
	h.apply(ruleset.Wanted{})
	if after := h.read()[iptables.IPv4].Rules("filter", "INPUT"); !slices.Equal(after, told) {
		h.Errorf("after removal there is\n%+v", after)
	}
}
