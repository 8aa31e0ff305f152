package firewall

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/internal/testrules"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

// residents are other programs' rules, which were in the tables before voipbl's.
const residents = `*raw
-A PREROUTING -s HOST -j ACCEPT
COMMIT
*filter
:f2b-sshd - [0:0]
-A f2b-sshd -s HOST -j REJECT
-A f2b-sshd -j RETURN
-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
-A INPUT -p tcp -m tcp --dport 8080 -m comment --comment "the admin\'s own, not \"voipbl: x\"" -j ACCEPT
-A FORWARD -s LAN -j ACCEPT
-A OUTPUT -p udp -m udp --dport 53 -j ACCEPT
COMMIT
`

// drift is something that others do to voipbl's rules.
type drift struct {
	name     string
	from, to *ruleset.Settings // what was applied, and what is wanted; nil for full
	script   string            // in the words of a family
	changes  []string          // what is wrong, in the words of a family; a line for each Change
	input    []string          // the rules between voipbl's in INPUT afterwards; nil for the residents'
	raw      []string          // the rules above the residents' rule in raw afterwards
	remade   bool              // fail2ban's chain was gone, and is created again
}

var (
	residentsInput = []string{"-p tcp -m multiport --dports 22 -j f2b-sshd", `-p tcp -m tcp --dport 8080 -m comment --comment "the admin\'s own, not \"voipbl: x\"" -j ACCEPT`}
	inputDrop      = testrules.DropOnly()
	preroutingDrop = testrules.AtPrerouting(testrules.DropOnly())
	preroutingFull = testrules.AtPrerouting(testrules.Full())
	logging        = testrules.Everything()
)

var drifts = []drift{
	{
		name:    "our drop deleted",
		script:  "IPT -D INPUT 1",
		changes: []string{"filter: + -A INPUT {drop}"},
	},
	{
		name:    "our jump deleted",
		script:  "IPT -D INPUT {jump}",
		changes: []string{"filter: + -A INPUT {jump}"},
	},
	{
		name:    "the way out deleted",
		script:  "IPT -D OUTPUT {out}",
		changes: []string{"filter: + -A OUTPUT {out}"},
	},
	{
		name:    "a rule inserted above ours",
		script:  "IPT -I INPUT -s HOST -j ACCEPT",
		changes: []string{"filter: ^ -A INPUT {drops} | -s HOST -j ACCEPT"},
		input:   append([]string{"-s HOST -j ACCEPT"}, residentsInput...),
	},
	{
		name:    "two rules inserted above ours",
		script:  "IPT -I INPUT -s HOST -j ACCEPT; IPT -I INPUT -p esp -j ACCEPT",
		changes: []string{"filter: ^ -A INPUT {drops} | -p esp -j ACCEPT | -s HOST -j ACCEPT"},
		input:   append([]string{"-p esp -j ACCEPT", "-s HOST -j ACCEPT"}, residentsInput...),
	},
	{
		name:    "a rule appended below our last jump",
		script:  "IPT -A INPUT -s HOST -j ACCEPT",
		changes: []string{"filter: ^ -A INPUT {jump} | -s HOST -j ACCEPT"},
		input:   append(slices.Clone(residentsInput), "-s HOST -j ACCEPT"),
	},
	{
		name:    "rules both above and below",
		script:  "IPT -I INPUT -p esp -j ACCEPT; IPT -A INPUT -s HOST -j ACCEPT; IPT -A OUTPUT -p esp -j ACCEPT",
		changes: []string{"filter: ^ -A INPUT {drops} | -p esp -j ACCEPT", "filter: ^ -A INPUT {jump} | -s HOST -j ACCEPT", "filter: ^ -A OUTPUT {out} | -p esp -j ACCEPT"},
		input:   slices.Concat([]string{"-p esp -j ACCEPT"}, residentsInput, []string{"-s HOST -j ACCEPT"}),
	},
	{
		name:    "our rules in the wrong order",
		script:  "IPT -F INPUT; IPT -A INPUT {jump}; IPT -A INPUT {drop}; IPT -A INPUT {bans}",
		changes: []string{"filter: ^ -A INPUT {drops}", "filter: ^ -A INPUT {jump}"},
		input:   []string{},
	},
	{
		name:    "INPUT flushed",
		script:  "IPT -F INPUT",
		changes: []string{"filter: + -A INPUT {drops}", "filter: + -A INPUT {jump}"},
		input:   []string{},
	},
	{
		name:    "our chain flushed",
		script:  "IPT -F VOIPBL-INPUT",
		changes: []string{"filter: + {base}"},
	},
	{
		name:    "one rule deleted from the middle of our chain",
		script:  "IPT -D VOIPBL-INPUT {rtp}",
		changes: []string{`filter: + -A VOIPBL-INPUT -p udp -m udp --dport 10000:20000 -m comment --comment "voipbl: rtp: voice and video" -j ACCEPT`},
	},
	{
		name:    "one rule that the kernel tells otherwise deleted from our chain",
		script:  "IPT -D VOIPBL-INPUT {scanner}",
		changes: []string{`filter: + -A VOIPBL-INPUT -p udp -m udp --dport 5060:5061 -m string --string "User-Agent: VaxSIPUserAgent" --algo bm --to 65535 --icase -m comment --comment "voipbl: sip: a scanner" -j DROP`},
	},
	{
		name:   "one rule of our chain replaced",
		script: "IPT -R VOIPBL-INPUT {rtp} -j RETURN",
		changes: []string{
			"filter: - -A VOIPBL-INPUT -j RETURN",
			`filter: + -A VOIPBL-INPUT -p udp -m udp --dport 10000:20000 -m comment --comment "voipbl: rtp: voice and video" -j ACCEPT`,
		},
	},
	{
		name:    "somebody's rule appended to our chain",
		script:  "IPT -A VOIPBL-INPUT -s HOST -j ACCEPT",
		changes: []string{"filter: - -A VOIPBL-INPUT -s HOST -j ACCEPT"},
	},
	{
		name:    "somebody's rule on top of our chain",
		script:  "IPT -I VOIPBL-INPUT -s HOST -j ACCEPT",
		changes: []string{"filter: - -A VOIPBL-INPUT -s HOST -j ACCEPT"},
	},
	{
		name:    "our chain and the jump to it removed",
		script:  "IPT -D INPUT {jump}; IPT -F VOIPBL-INPUT; IPT -X VOIPBL-INPUT",
		changes: []string{"filter: + -N VOIPBL-INPUT", "filter: + {base}", "filter: + -A INPUT {jump}"},
	},
	{
		name:    "the whole table flushed",
		script:  "IPT -F; IPT -X",
		changes: []string{"filter: + -N VOIPBL-INPUT", "filter: + {base}", "filter: + -N VOIPBL-SIP", "filter: + {sip}", "filter: + -N fail2ban-ssh", "filter: + -A INPUT {drops}", "filter: + -A INPUT {jump}", "filter: + -A OUTPUT {out}"},
		input:   []string{}, remade: true,
	},
	{
		name:    "a ruleset restored that does not know us",
		script:  "printf '*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -s HOST -j ACCEPT\n-A INPUT -p esp -j ACCEPT\nCOMMIT\n' | IPT-restore",
		changes: []string{"filter: + -N VOIPBL-INPUT", "filter: + {base}", "filter: + -N VOIPBL-SIP", "filter: + {sip}", "filter: + -N fail2ban-ssh", "filter: + -A INPUT {drops}", "filter: + -A INPUT {jump}", "filter: + -A OUTPUT {out}"},
		input:   []string{"-s HOST -j ACCEPT", "-p esp -j ACCEPT"}, remade: true,
	},
	{
		name:    "a ruleset restored that was saved with us before the last change",
		from:    &inputDrop,
		to:      &preroutingDrop,
		script:  "IPT-save -t filter > saved-IPT; IPT-restore < saved-IPT",
		changes: []string{"raw: + -A PREROUTING {drops}", "filter: - -A INPUT {drops}"},
	},
	{
		name:    "our drop there twice",
		script:  "IPT -A INPUT {drop}",
		changes: []string{"filter: - -A INPUT {drop}"},
	},
	{
		name:    "our drop there twice, one below the other",
		script:  "IPT -I INPUT {drop}",
		changes: []string{"filter: - -A INPUT {drop}"},
	},
	{
		name:    "our jump there twice",
		script:  "IPT -I INPUT 2 {jump}",
		changes: []string{"filter: ^ -A INPUT {jump} | {residents}", "filter: - -A INPUT {jump}"},
	},
	{
		name:    "our drop in other places as well",
		script:  "IPT -A FORWARD {drop}; IPT -t raw -A PREROUTING {drop}; IPT -A f2b-sshd {drop}",
		changes: []string{"filter: - -A FORWARD {drop}", "filter: - -A f2b-sshd {drop}", "raw: - -A PREROUTING {drop}"},
	},
	{
		name:    "an old rule of ours",
		script:  `IPT -I INPUT 3 -m set --match-set VOIP_BL dst -m comment --comment "voipbl: of an older version" -j DROP`,
		changes: []string{`filter: - -A INPUT -m set --match-set VOIP_BL dst -m comment --comment "voipbl: of an older version" -j DROP`},
	},
	{
		name:    "a rule that only looks like ours",
		script:  `IPT -I INPUT -s HOST -m comment --comment "voipbl: let my provider in" -j ACCEPT`,
		changes: []string{`filter: ^ -A INPUT {drops} | -s HOST -m comment --comment "voipbl: let my provider in" -j ACCEPT`},
		input:   append([]string{`-s HOST -m comment --comment "voipbl: let my provider in" -j ACCEPT`}, residentsInput...),
	},
	{
		name:    "an old chain of ours",
		script:  `IPT -N VOIPBL-OLD; IPT -A VOIPBL-OLD -s HOST -j DROP; IPT -I INPUT 2 -m comment --comment "voipbl: old" -j VOIPBL-OLD`,
		changes: []string{`filter: - -A INPUT -m comment --comment "voipbl: old" -j VOIPBL-OLD`, "filter: - -X VOIPBL-OLD"},
	},
	{
		name:    "from filter to raw",
		from:    &inputDrop,
		to:      &preroutingDrop,
		changes: []string{"raw: + -A PREROUTING {drops}", "filter: - -A INPUT {drops}"},
	},
	{
		name:    "from raw to filter",
		from:    &preroutingDrop,
		to:      &inputDrop,
		changes: []string{"filter: + -A INPUT {drops}", "raw: - -A PREROUTING {drops}"},
	},
	{
		name:    "from filter to raw, beside the base rules",
		to:      &preroutingFull,
		changes: []string{"raw: + -A PREROUTING {drops}", "filter: - -A INPUT {drops}"},
	},
	{
		name:    "a rule above ours in raw",
		from:    &preroutingFull,
		to:      &preroutingFull,
		script:  "IPT -t raw -I PREROUTING -p esp -j ACCEPT",
		changes: []string{"raw: ^ -A PREROUTING {drops} | -p esp -j ACCEPT"},
		raw:     []string{"-p esp -j ACCEPT"},
	},
	{
		name: "no more logging",
		from: &logging,
		changes: []string{
			"filter: + -A INPUT {drops}", "filter: - -A INPUT {dropTo}VOIPBL-DROP", "filter: - -A INPUT {bansTo}VOIPBL-DROP",
			`filter: - -A OUTPUT -m set --match-set VOIP_BL dst ! --update-counters -m comment --comment "voipbl: drop what goes to blocked addresses" -j VOIPBL-DROP`,
			`filter: - -A OUTPUT -m set --match-set VOIP_BAN dst ! --update-counters -m comment --comment "voipbl: drop what goes to banned addresses" -j VOIPBL-DROP`,
			"filter: - -X VOIPBL-DROP",
		},
	},
	{
		name: "no more base rules", to: &inputDrop,
		changes: []string{"filter: - -A INPUT {jump}", "filter: - -A OUTPUT {out}", "filter: - -X VOIPBL-INPUT", "filter: - -X VOIPBL-SIP"},
	},
}

// words replaces the placeholders for voipbl's rules in a drift.
func (d drift) words(f iptables.Family, text string) string {
	dropTo := `-m set --match-set VOIP_BL src -m comment --comment "voipbl: drop what comes from blocked addresses" -j `
	bansTo := `-m set --match-set VOIP_BAN src -m comment --comment "voipbl: drop what comes from banned addresses" -j `
	return words[f].Replace(strings.NewReplacer(
		"{bansTo}", bansTo, "{bans}", bansTo+"DROP", "{dropTo}", dropTo, "{drop}", dropTo+"DROP", "{jump}", jumpHook, "{out}", outHook, "{residents}", strings.Join(residentsInput, " | "),
		"{rtp}", baseRule(f, "rtp: voice and video"), "{scanner}", baseRule(f, "sip: a scanner"),
	).Replace(text))
}

// baseRule returns the number of the base rule with a purpose.
func baseRule(f iptables.Family, purpose string) string {
	i := slices.IndexFunc(testrules.Full().Base.Rules(f), func(r ruleset.Rule) bool { return r.For == purpose })
	return strconv.Itoa(i + 1)
}

// expected returns the lines for both families.
func (d drift) expected(base [2]iptables.Table) []string {
	var lines []string
	for _, f := range iptables.Families {
		for _, line := range d.changes {
			if chain := map[string]string{"filter: + {base}": iptables.BaseChain, "filter: + {sip}": iptables.SIPChain}[line]; chain != "" {
				c, _ := base[f].Chain(chain)
				for _, r := range c.Rules {
					lines = append(lines, f.String()+" filter: + -A "+chain+" "+r)
				}
				continue
			}
			if strings.Contains(line, "{drops}") { // both of them
				lines = append(lines, f.String()+" "+d.words(f, strings.ReplaceAll(line, "{drops}", "{drop}")))
				line = strings.ReplaceAll(line, "{drops}", "{bans}")
			}
			lines = append(lines, f.String()+" "+d.words(f, line))
		}
	}
	return lines
}

// lineOf returns all of a change as a line.
func lineOf(c Change) string {
	return strings.Join(append([]string{c.Family + " " + c.Table + ": " + c.String()}, c.Others...), " | ")
}

// TestDrift does to voipbl's rules what others may do, with their tools. The plan says precisely what is
// wrong, and the repair leaves all else alone.
func TestDrift(t *testing.T) {
	onEachBackend(t, func(h *host) {
		h.load(residents)
		begin := make(map[*ruleset.Settings][2]string)
		known := make(map[*ruleset.Settings]*Readback)
		for _, from := range []*ruleset.Settings{nil, &inputDrop, &preroutingDrop, &preroutingFull, &logging} {
			h.apply(orFull(from).Wanted())
			begin[from], known[from] = h.seedCounters(), h.known
		}
		for _, d := range drifts {
			for _, f := range iptables.Families {
				h.feed(begin[d.from][f], f.Command()+"-restore", "-c")
			}
			h.known = known[d.from]
			d.happens(h)
		}
	})
}

// orFull returns the settings of a drift, or the full ones.
func orFull(s *ruleset.Settings) ruleset.Settings {
	if s == nil {
		return testrules.Full()
	}
	return *s
}

// happens runs one case, from what was applied before.
func (d drift) happens(h *host) {
	h.Helper()
	to := orFull(d.to)
	var base [2]iptables.Table
	for _, f := range iptables.Families {
		base[f] = iptables.FindTable(testrules.Full().Tables(f), "filter")
	}
	h.sh("cd " + h.bin + "\n" + d.words(iptables.IPv4, d.script) + "\n" + d.words(iptables.IPv6, d.script))
	broken := h.dumps()

	saved := h.read()
	planned := linesOf(h.fw.Plan(to.Wanted(), saved, h.known))
	if diff := cmp.Diff(d.expected(base), planned); diff != "" {
		h.Errorf("%s: what is wrong (-want +got):\n%s", d.name, diff)
	}
	done, err := h.fw.Apply(h.Context(), to.Wanted(), saved, h.known)
	if err != nil {
		h.Fatalf("%s: %v", d.name, err)
	}
	if diff := cmp.Diff(planned, linesOf(done.Plans)); diff != "" {
		h.Errorf("%s: what was done is not what was planned (-planned +done):\n%s", d.name, diff)
	}
	repaired := h.dumps()
	for _, f := range iptables.Families {
		if diff := d.check(repaired[f], f, to); diff != "" {
			h.Errorf("%s: %s: %s", d.name, f, diff)
		}
		others := foreign(repaired[f])
		if d.remade {
			others = emptyTable.ReplaceAllString(strings.Replace(others, ":fail2ban-ssh - [0:0]\n", "", 1), "")
		}
		if diff := diff(foreign(broken[f]), others); diff != "" {
			h.Errorf("%s: %s: what others have is not as it was (-before +after):\n%s", d.name, f, diff)
		}
		if lost := lostCounters(broken[f], repaired[f]); h.restoresCounters(f) && len(lost) > 0 {
			h.Errorf("%s: %s: counters are lost:\n%s", d.name, f, strings.Join(lost, "\n"))
		}
	}
	if changes := Changes(h.fw.Plan(to.Wanted(), done.Saved, done.Readback)); len(changes) > 0 {
		h.Errorf("%s: after the repair there is still %v", d.name, changes)
	}
}

func linesOf(plans [2]*Plan) []string {
	var lines []string
	for _, c := range Changes(plans) {
		lines = append(lines, lineOf(c))
	}
	return lines
}

// check returns what is wrong after the repair.
func (d drift) check(dump string, f iptables.Family, s ruleset.Settings) string {
	drops, input := []string{d.words(f, "{drop}"), d.words(f, "{bans}")}, residentsInput
	if d.input != nil {
		input = d.input
	}
	want := make(map[string][]string) // by chain
	for _, r := range input {
		want["INPUT"] = append(want["INPUT"], words[f].Replace(r))
	}
	want["PREROUTING"] = []string{words[f].Replace("-s HOST -j ACCEPT")}
	if s.DropAt == ruleset.AtPrerouting {
		want["PREROUTING"] = slices.Concat(drops, d.raw, want["PREROUTING"])
	} else {
		want["INPUT"] = append(drops, want["INPUT"]...)
	}
	if s.Base != nil {
		want["INPUT"] = append(want["INPUT"], jumpHook)
	}
	for chain, table := range map[string]string{"INPUT": "filter", "PREROUTING": "raw"} {
		if diff := cmp.Diff(want[chain], rulesOf(dump, table, chain)); diff != "" {
			return chain + " (-want +got):\n" + diff
		}
	}
	for _, name := range []string{"VOIPBL-INPUT", "VOIPBL-DROP", "VOIPBL-OLD"} {
		c, wanted := iptables.FindTable(s.Tables(f), "filter").Chain(name)
		if diff := cmp.Diff(purposes(c.Rules), purposes(rulesOf(dump, "filter", name))); diff != "" {
			return name + " (-want +got):\n" + diff
		}
		if wanted != strings.Contains(dump, "\n:"+name+" ") {
			return name + " is there, or is not"
		}
	}
	return ""
}

// lostCounters returns the rules whose counts are lost, of those that are in the same chain before and
// after.
func lostCounters(before, after string) []string {
	var lost []string
	read := func(save string) map[string][]iptables.SavedRule {
		saved, err := iptables.ParseSaved(iptables.IPv4, []byte(save))
		if err != nil {
			panic(err)
		}
		rules := make(map[string][]iptables.SavedRule)
		for table, chains := range saved.Tables {
			for chain, c := range chains {
				for _, r := range c.Rules {
					of := table + " " + chain + " " + r.Text
					rules[of] = append(rules[of], r)
				}
			}
		}
		return rules
	}
	had := read(before)
	for rule, has := range read(after) {
		for i, r := range has {
			if i < len(had[rule]) && had[rule][i] != r {
				lost = append(lost, had[rule][i].Counters()+rule)
			}
		}
	}
	slices.Sort(lost)
	return lost
}
