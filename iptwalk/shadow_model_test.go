package iptwalk

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/voipbl/voipbl/iptables"
)

// modelPacket is a packet of a small world, in which every packet can be tried.
type modelPacket struct {
	src      string
	in       string
	proto    string
	port     uint16
	fragment bool // without ports
	odd      bool // has what a match asks for that is not compared
}

// modelRule is a rule of that world, in parts that the model reads without a parser.
type modelRule struct {
	src, in, proto string
	first, last    uint16
	ports          bool
	negate, odd    bool
	target         string
	goTo           bool
}

func (r modelRule) String() string {
	var words []string
	if r.src != "" {
		if r.negate {
			words = append(words, "!")
		}
		words = append(words, "-s "+r.src)
	}
	if r.in != "" {
		words = append(words, "-i "+r.in)
	}
	if r.proto != "" {
		words = append(words, "-p "+r.proto)
	}
	if r.ports {
		words = append(words, fmt.Sprintf("-m %s --dport %d:%d", r.proto, r.first, r.last))
	}
	if r.odd {
		words = append(words, "-m odd")
	}
	if r.goTo {
		return strings.Join(append(words, "-g "+r.target), " ")
	}
	if r.target != "" {
		words = append(words, "-j "+r.target)
	}
	return strings.Join(words, " ")
}

func (r modelRule) matches(p modelPacket) bool {
	if r.src != "" && netip.MustParsePrefix(r.src).Contains(netip.MustParseAddr(p.src)) == r.negate {
		return false
	}
	in := r.in == "" || r.in == p.in || strings.HasSuffix(r.in, "+") && strings.HasPrefix(p.in, strings.TrimSuffix(r.in, "+"))
	proto := r.proto == "" || r.proto == p.proto
	ports := !r.ports || !p.fragment && r.first <= p.port && p.port <= r.last
	return in && proto && ports && (!r.odd || p.odd)
}

// modelWorld has chains, and records which rules packets have reached and matched.
type modelWorld struct {
	chains  map[string][]modelRule
	matched map[string]bool // "CHAIN index"
}

// run sends a packet through a chain as the kernel does. The fate is empty if the packet comes
// back.
func (w *modelWorld) run(chain string, p modelPacket) string {
	for i, r := range w.chains[chain] {
		if !r.matches(p) {
			continue
		}
		w.matched[fmt.Sprint(chain, " ", i)] = true
		switch {
		case r.target == "ACCEPT", r.target == "DROP":
			return r.target
		case r.target == "RETURN":
			return ""
		case w.chains[r.target] != nil:
			if fate := w.run(r.target, p); fate != "" || r.goTo {
				return fate
			}
		}
	}
	return ""
}

var (
	modelSources = []string{"10.0.0.1", "10.0.1.1", "10.1.0.1", "192.0.2.1"}
	modelNets    = []string{"10.0.0.0/8", "10.0.0.0/16", "10.0.1.0/24", "10.0.0.1/32", "192.0.2.0/24"}
	modelChains  = []string{"INPUT", iptables.ChainPrefix + "INPUT", "other"}
)

func modelPackets() []modelPacket {
	var all []modelPacket
	for _, src := range modelSources {
		for _, in := range []string{"lo", "eth0", "eth1"} {
			for _, proto := range []string{"tcp", "udp", "icmp"} {
				for _, port := range []uint16{1, 2, 3} {
					for _, odd := range []bool{false, true} {
						all = append(all, modelPacket{src, in, proto, port, proto == "icmp", odd}, modelPacket{src, in, proto, port, true, odd})
					}
				}
			}
		}
	}
	return all
}

func drawRule(t *rapid.T, targets []string) modelRule {
	r := modelRule{target: rapid.SampledFrom(targets).Draw(t, "target")}
	some := func(name string) bool { return rapid.IntRange(0, 3).Draw(t, name) == 0 }
	if some("has src") {
		r.src, r.negate = rapid.SampledFrom(modelNets).Draw(t, "src"), some("negate")
	}
	if some("has in") {
		r.in = rapid.SampledFrom([]string{"lo", "eth0", "eth+"}).Draw(t, "in")
	}
	if some("has proto") {
		r.proto = rapid.SampledFrom([]string{"tcp", "udp"}).Draw(t, "proto")
		if r.ports = some("has ports"); r.ports {
			r.first = rapid.Uint16Range(1, 3).Draw(t, "first")
			r.last = rapid.Uint16Range(r.first, 3).Draw(t, "last")
		}
	}
	r.odd = some("odd")
	r.goTo = slices.Contains(modelChains, r.target) && some("goto")
	return r
}

// TestShadowedAgainstAModel tries every packet of a small world: no rule that is called shadowed
// matches one, strangers' packets end as said, and where Same is said, packets end the same way
// without the earlier rule.
func TestShadowedAgainstAModel(t *testing.T) {
	packets := modelPackets()
	shadows, receptions := 0, make(map[Reception]int)
	rapid.Check(t, func(t *rapid.T) {
		w := modelWorld{chains: make(map[string][]modelRule), matched: make(map[string]bool)}
		ends := []string{"ACCEPT", "DROP", "RETURN", "LOG", ""}
		targets := map[string][]string{
			"INPUT": append(slices.Clone(ends), modelChains[1:]...), modelChains[1]: append(slices.Clone(ends), "other"), "other": ends,
		}
		var lines []string
		for _, chain := range modelChains {
			w.chains[chain] = []modelRule{}
			for range rapid.IntRange(0, 5).Draw(t, "rules of "+chain) {
				w.chains[chain] = append(w.chains[chain], drawRule(t, targets[chain]))
			}
			if len(w.chains[chain]) == 0 { // so that there is such a chain
				w.chains[chain] = append(w.chains[chain], modelRule{target: "LOG", odd: true})
			}
			for _, r := range w.chains[chain] {
				lines = append(lines, strings.TrimSpace(chain+" "+r.String()))
			}
		}
		policy := rapid.SampledFrom([]string{"ACCEPT", "DROP"}).Draw(t, "policy")
		saved, err := iptables.ParseSaved(iptables.IPv4, []byte("*filter\n:INPUT "+policy+" [0:0]\n:VOIPBL-INPUT - [0:0]\n:other - [0:0]\n-A "+strings.Join(lines, "\n-A ")+"\nCOMMIT\n"))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range packets {
			w.run("INPUT", p)
		}
		for _, s := range Shadowed(saved) {
			shadows++
			for i, r := range w.chains[s.Chain] {
				// Of two that read alike the first may match.
				if first := slices.IndexFunc(w.chains[s.Chain], func(o modelRule) bool { return o.String() == s.Rule }); r.String() == s.Rule && i != first && w.matched[fmt.Sprint(s.Chain, " ", i)] {
					t.Fatalf("a packet comes to -A %s %s\n%s", s.Chain, s.Rule, strings.Join(lines, "\n"))
				}
			}
			if n := countRules(w.chains[s.Chain], s.Rule); n == 1 && w.matched[fmt.Sprint(s.Chain, " ", slices.IndexFunc(w.chains[s.Chain], func(o modelRule) bool { return o.String() == s.Rule }))] {
				t.Fatalf("a packet comes to -A %s %s, which is said to be behind -A %s %s\n%s", s.Chain, s.Rule, s.ByChain, s.By, strings.Join(lines, "\n"))
			}
		}
		stranger := modelPacket{src: "203.0.113.1", in: "wan0", proto: "gre", fragment: true}
		got := w.run("INPUT", stranger)
		if got == "" {
			got = policy
		}
		r := ReceptionOf(saved)
		receptions[r]++
		negated := slices.ContainsFunc(slices.Concat(w.chains["INPUT"], w.chains[modelChains[1]], w.chains["other"]), func(r modelRule) bool { return r.negate })
		if !negated && (r == LetsIn && got != "ACCEPT" || r == KeepsOut && got != "DROP") {
			t.Fatalf("INPUT is %s, and a stranger is treated as %s\npolicy %s\n%s", r, got, policy, strings.Join(lines, "\n"))
		}
	})
	if shadows == 0 || len(receptions) != 3 {
		t.Errorf("%d shadows, receptions %v: the rules are too tame", shadows, receptions)
	}
}

func countRules(rules []modelRule, text string) int {
	n := 0
	for _, r := range rules {
		if r.String() == text {
			n++
		}
	}
	return n
}
