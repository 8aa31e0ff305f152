package firewall

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/internal/testrules"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

// published reads the rules of the published ruleset.
func published(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/published.rules")
	if err != nil {
		t.Fatal(err)
	}
	var rules []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			rules = append(rules, strings.TrimSuffix(line, "\n"))
		}
	}
	if len(rules) != 38 {
		t.Fatalf("%d rules, not the page's 38", len(rules))
	}
	return rules
}

const publishedDrop = "-A INPUT -m set --match-set voip_bl src -j DROP"

// dropFirst moves the drop of voip_bl, which is fourth on the page, to the top: the only difference in
// order.
func dropFirst(t *testing.T, rules []string) []string {
	t.Helper()
	i := slices.Index(rules, publishedDrop)
	if i != 3 {
		t.Fatalf("the page's drop is rule %d", i+1)
	}
	return slices.Concat([]string{publishedDrop}, rules[:i], rules[i+1:])
}

// placeholders fills in what the page leaves to its reader, and for IPv6 what differs there.
var placeholders = [2]*strings.Replacer{
	iptables.IPv4: strings.NewReplacer("xxx.xxx.xxx.xxx/24", "192.168.1.0/24", "known_external_proxy", "203.0.113.10/32"),
	iptables.IPv6: strings.NewReplacer("xxx.xxx.xxx.xxx/24", "fd12:3456:789a::/48", "known_external_proxy", "2001:db8:10::10/128",
		"-p icmp ", "-p ipv6-icmp ", "icmp-port-unreachable", "icmp6-port-unreachable",
		"voip_bl ", "voip_bl6 ", ruleset.BanSet+" ", ruleset.BanSet6+" ", "--mask 255.255.255.255", "--mask ffff:ffff:ffff:ffff::",
		// A rule without a mask has the family's default.
		"--set --name VOIP ", "--set --name VOIP --mask ffff:ffff:ffff:ffff:: ", "--set --name VOIPINV ", "--set --name VOIPINV --mask ffff:ffff:ffff:ffff:: ",
		"--hashlimit-mode srcip,dstport ", "--hashlimit-mode srcip,dstport --hashlimit-srcmask 64 "),
}

// anyCase is the only change of the page's rules besides comments: words match in capitals and small
// letters.
var anyCase = strings.NewReplacer("--to 65535", "--to 65535 --icase")

func replaced(rules []string, r *strings.Replacer) []string {
	var out []string
	for _, rule := range rules {
		out = append(out, r.Replace(rule))
	}
	return out
}

// isAdded reports whether a rule is marked as one that the page does not have.
func isAdded(rule string) bool {
	return strings.Contains(rule, `-m comment --comment "`+iptables.CommentPrefix+"added: ")
}

// comment matches the comments of voipbl's rules, which the page's do not have.
var comment = regexp.MustCompile(` -m comment --comment "[^"]*"`)

// unfolded returns what a packet meets in INPUT: its rules, with those of voipbl's chain in place of the jump
// that INPUT ends in. Added rules are left out, so the page's own rules are all there, in its order.
func unfolded(t *testing.T, input, base []string) []string {
	t.Helper()
	last := len(input) - 1
	if last < 0 || !strings.HasSuffix(input[last], "-j "+iptables.BaseChain) {
		t.Fatalf("INPUT does not end in our chain: %q", input)
	}
	// The page has no bans of the host's own. These are dropped directly below the first rule.
	if !strings.Contains(input[1], "--match-set voip_ban") {
		t.Errorf("bans are dropped elsewhere: %q", input)
	}
	var rules []string
	for _, r := range slices.Concat(input[:1], input[2:last], base) {
		if isAdded(r) {
			continue
		}
		rules = append(rules, comment.ReplaceAllString("-A INPUT "+r, ""))
	}
	return rules
}

// TestPublished compares the default rules with the page's, one by one.
func TestPublished(t *testing.T) {
	// The page has one rule without a mask. The kernel's default is the mask of the rule after it.
	mask := strings.NewReplacer(
		"--set --name VOIP --rsource", "--set --name VOIP --mask 255.255.255.255 --rsource",
		"--set --name VOIPINV --rsource", "--set --name VOIPINV --mask 255.255.255.255 --rsource")
	want := replaced(replaced(replaced(dropFirst(t, published(t)), placeholders[iptables.IPv4]), mask), anyCase)

	text := NewPlan(testrules.Full().Tables(iptables.IPv4), testrules.Empty(t, iptables.IPv4), nil).Text
	inserted := strings.NewReplacer("-I INPUT 1 ", "-A INPUT ", "-I INPUT 2 ", "-A INPUT ").Replace(text)
	got := unfolded(t, rulesOf(inserted, "filter", "INPUT"), rulesOf(text, "filter", iptables.BaseChain))
	for _, r := range rulesOf(text, "filter", "OUTPUT") {
		got = append(got, comment.ReplaceAllString("-A OUTPUT "+r, ""))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("not as published (-page +ours):\n%s", diff)
	}
}

// sixth are the rules that only IPv6 has, before the one about ICMP: without neighbour discovery a host
// cannot be reached, and without DHCPv6 it may have no address.
var sixth = []string{
	"-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 133 -j ACCEPT",
	"-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 134 -j ACCEPT",
	"-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 135 -j ACCEPT",
	"-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 136 -j ACCEPT",
	"-A INPUT -s fe80::/10 -p ipv6-icmp -m icmp6 --icmpv6-type 130 -j ACCEPT",
	"-A INPUT -s fe80::/10 -p udp -m udp --sport 547 --dport 546 -j ACCEPT",
}

// ownLists are IPv6's own lists, which count by /64: the kernel keeps the mask that a list was created
// with.
var ownLists = strings.NewReplacer("--name VOIP ", "--name VOIP64 ", "--name VOIPINV ", "--name VOIPINV64 ", "tunnel_limit ", "tunnel_limit64 ")

// TestPublishedInKernel loads the page's rules and then voipbl's, and compares how the kernel lists them, so
// that the comparison needs no code of voipbl's.
func TestPublishedInKernel(t *testing.T) {
	onEachBackend(t, func(h *host) {
		for _, f := range iptables.Families {
			rules := replaced(replaced(dropFirst(h.T, published(h.T)), placeholders[f]), anyCase)
			h.feed("*filter\n:fail2ban-ssh - [0:0]\n"+strings.Join(rules, "\n")+"\nCOMMIT\n", f.Command()+"-restore")
			var want []string
			for _, chain := range []string{"INPUT", "OUTPUT"} {
				for _, r := range rulesOf(h.dump(f), "filter", chain) {
					want = append(want, "-A "+chain+" "+r)
				}
			}
			if len(want) != len(rules) {
				h.Fatalf("the kernel has %d of the page's %d rules", len(want), len(rules))
			}
			if f == iptables.IPv6 {
				for i, r := range want {
					want[i] = ownLists.Replace(r)
				}
				icmp := slices.IndexFunc(want, func(r string) bool { return strings.Contains(r, "-p ipv6-icmp") })
				want = slices.Insert(want, icmp, sixth...)
			}
			h.sh(f.Command() + " -F; " + f.Command() + " -X")

			h.apply(testrules.Full().Wanted())
			got := unfolded(h.T, rulesOf(h.dump(f), "filter", "INPUT"), rulesOf(h.dump(f), "filter", iptables.BaseChain))
			for _, r := range rulesOf(h.dump(f), "filter", "OUTPUT") {
				got = append(got, comment.ReplaceAllString("-A OUTPUT "+r, ""))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				h.Errorf("%s: not as published (-page +ours):\n%s", f, diff)
			}
			h.apply(ruleset.Wanted{})
		}
	})
}
