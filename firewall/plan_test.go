package firewall

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/internal/testrules"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

// The hooks of the default settings, as written and as listed.
const (
	banHook  = `-m set --match-set voip_ban src -m comment --comment "voipbl: drop what comes from banned addresses" -j DROP`
	dropHook = `-m set --match-set voip_bl src -m comment --comment "voipbl: drop what comes from blocked addresses" -j DROP`
	jumpHook = `-m comment --comment "voipbl: the base rules, which end in DROP" -j VOIPBL-INPUT`
	outHook  = `-m comment --comment "voipbl: everything may go out" -j ACCEPT`
)

// TestPlanText: the input of restore for small differences. Rules that were there keep their counts.
func TestPlanText(t *testing.T) {
	const chains = "*filter\n:INPUT ACCEPT [9:9]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
	one := []iptables.Table{{Name: "filter", Hooks: []iptables.Hook{{Chain: "INPUT", Rule: dropHook}}}}
	two := []iptables.Table{{
		Name:   "filter",
		Chains: []iptables.Chain{{Name: iptables.BaseChain, Rules: []string{`-i lo -m comment --comment "voipbl: a" -j ACCEPT`, `-m comment --comment "voipbl: b" -j DROP`}}},
		Hooks:  []iptables.Hook{{Chain: "INPUT", Rule: dropHook}, {Chain: "INPUT", Last: true, Rule: jumpHook}},
	}}
	// A rule that is twice in a chain, and one without a purpose.
	three := []iptables.Table{{Name: "filter", Chains: []iptables.Chain{{Name: iptables.BaseChain, Rules: []string{"-p tcp -j ACCEPT", "-p udp -j ACCEPT", "-p udp -j ACCEPT"}}}}}
	const base = chains + ":VOIPBL-INPUT - [0:0]\n"
	for _, test := range []struct {
		name  string
		want  []iptables.Table
		save  string
		known map[string]string
		text  string
	}{
		{
			"as wanted", one,
			chains + "[5:500] -A INPUT " + dropHook + "\n[1:10] -A INPUT -j ACCEPT\nCOMMIT\n", nil,
			"",
		},
		{
			"moved up, with its counters", one,
			chains + "[1:10] -A INPUT -j ACCEPT\n[5:500] -A INPUT " + dropHook + "\nCOMMIT\n", nil,
			"*filter\n-D INPUT " + dropHook + "\n[5:500] -I INPUT 1 " + dropHook + "\nCOMMIT\n",
		},
		{
			"without counters where there is nothing to keep", one,
			chains + "[1:10] -A INPUT -j ACCEPT\n[0:0] -A INPUT " + dropHook + "\nCOMMIT\n", nil,
			"*filter\n-D INPUT " + dropHook + "\n-I INPUT 1 " + dropHook + "\nCOMMIT\n",
		},
		{
			"twice: the first one's counters stay", one,
			chains + "[5:500] -A INPUT " + dropHook + "\n[6:600] -A INPUT " + dropHook + "\nCOMMIT\n", nil,
			"*filter\n-D INPUT " + dropHook + "\n-D INPUT " + dropHook + "\n[5:500] -I INPUT 1 " + dropHook + "\nCOMMIT\n",
		},
		{
			"in two chains", one,
			chains + "[5:500] -A INPUT " + dropHook + "\n[6:600] -A FORWARD " + dropHook + "\nCOMMIT\n", nil,
			"*filter\n-D FORWARD " + dropHook + "\nCOMMIT\n",
		},
		{
			"in somebody's chain", one,
			chains + ":theirs - [0:0]\n[5:500] -A INPUT " + dropHook + "\n[6:600] -A theirs " + dropHook + "\nCOMMIT\n", nil,
			"*filter\n-D theirs " + dropHook + "\nCOMMIT\n",
		},
		{
			"known by another name in the kernel", one,
			chains + "[5:500] -A INPUT -m set --match-set voip_bl src -j DROP -m told --comment \"voipbl: otherwise\"\nCOMMIT\n",
			map[string]string{dropHook: `-m set --match-set voip_bl src -j DROP -m told --comment "voipbl: otherwise"`},
			"",
		},
		{
			"a chain is written anew, with the counters of the rules that stay", two,
			chains + ":VOIPBL-INPUT - [0:0]\n[1:2] -A INPUT " + dropHook + "\n[3:4] -A INPUT " + jumpHook +
				"\n[5:500] -A VOIPBL-INPUT -m comment --comment \"voipbl: b\" -j DROP\n[6:600] -A VOIPBL-INPUT -p tcp -j ACCEPT\n" +
				"[7:700] -A VOIPBL-INPUT -i lo -m comment --comment \"voipbl: a\" -j ACCEPT\nCOMMIT\n", nil,
			"*filter\n:VOIPBL-INPUT - [0:0]\n[7:700] -A VOIPBL-INPUT -i lo -m comment --comment \"voipbl: a\" -j ACCEPT\n" +
				"[5:500] -A VOIPBL-INPUT -m comment --comment \"voipbl: b\" -j DROP\nCOMMIT\n",
		},
		{
			"a chain with a rule that the kernel tells otherwise", two,
			chains + ":VOIPBL-INPUT - [0:0]\n[1:2] -A INPUT " + dropHook + "\n[3:4] -A INPUT " + jumpHook +
				"\n[5:500] -A VOIPBL-INPUT --in lo -m comment --comment \"voipbl: a\" -j ACCEPT\nCOMMIT\n",
			map[string]string{`-i lo -m comment --comment "voipbl: a" -j ACCEPT`: `--in lo -m comment --comment "voipbl: a" -j ACCEPT`},
			"*filter\n:VOIPBL-INPUT - [0:0]\n[5:500] -A VOIPBL-INPUT -i lo -m comment --comment \"voipbl: a\" -j ACCEPT\n" +
				"-A VOIPBL-INPUT -m comment --comment \"voipbl: b\" -j DROP\nCOMMIT\n",
		},
		{
			"the same rule twice: each keeps its own counters", three,
			base + "[5:500] -A VOIPBL-INPUT -p udp -j ACCEPT\n[6:600] -A VOIPBL-INPUT -p udp -j ACCEPT\nCOMMIT\n", nil,
			"*filter\n:VOIPBL-INPUT - [0:0]\n-A VOIPBL-INPUT -p tcp -j ACCEPT\n[5:500] -A VOIPBL-INPUT -p udp -j ACCEPT\n[6:600] -A VOIPBL-INPUT -p udp -j ACCEPT\nCOMMIT\n",
		},
		{
			"a rule without a purpose has the counters of no other", three,
			base + "[5:500] -A VOIPBL-INPUT -i lo -j ACCEPT\nCOMMIT\n", nil,
			"*filter\n:VOIPBL-INPUT - [0:0]\n-A VOIPBL-INPUT -p tcp -j ACCEPT\n-A VOIPBL-INPUT -p udp -j ACCEPT\n-A VOIPBL-INPUT -p udp -j ACCEPT\nCOMMIT\n",
		},
		{
			"told otherwise, which is not known: counters go by purpose and target", two,
			base + "[1:2] -A INPUT " + dropHook + "\n[3:4] -A INPUT " + jumpHook +
				"\n[7:700] -A VOIPBL-INPUT -m comment --comment \"voipbl: b\" -j ACCEPT\n[5:500] -A VOIPBL-INPUT --in lo -m comment --comment \"voipbl: a\" -j ACCEPT\nCOMMIT\n", nil,
			"*filter\n:VOIPBL-INPUT - [0:0]\n[5:500] -A VOIPBL-INPUT -i lo -m comment --comment \"voipbl: a\" -j ACCEPT\n" +
				"-A VOIPBL-INPUT -m comment --comment \"voipbl: b\" -j DROP\nCOMMIT\n",
		},
		{
			"removal", nil,
			"*raw\n:PREROUTING ACCEPT [0:0]\n[1:2] -A PREROUTING " + dropHook + "\nCOMMIT\n" +
				chains + ":VOIPBL-INPUT - [0:0]\n[1:2] -A INPUT -j ACCEPT\n[3:4] -A INPUT " + jumpHook + "\n[3:4] -A VOIPBL-INPUT -j DROP\nCOMMIT\n", nil,
			"*raw\n-D PREROUTING " + dropHook + "\nCOMMIT\n*filter\n-D INPUT " + jumpHook + "\n-F VOIPBL-INPUT\n-X VOIPBL-INPUT\nCOMMIT\n",
		},
		{"removal of nothing", nil, chains + "[1:2] -A INPUT -j ACCEPT\nCOMMIT\n", nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := NewPlan(test.want, testrules.Parsed(t, iptables.IPv4, test.save), test.known)
			if diff := diff(test.text, p.Text); diff != "" {
				t.Errorf("the text is not as wanted (-want +got):\n%s", diff)
			}
			if p.Unchanged() != (test.text == "") {
				t.Errorf("changes %v", p.Changes)
			}
		})
	}
}

// TestHookChanges: two equal rules are wanted and the kernel has one, so one is missing.
func TestHookChanges(t *testing.T) {
	want := []iptables.Table{{Name: "filter", Hooks: []iptables.Hook{{Chain: "INPUT", Rule: dropHook}, {Chain: "INPUT", Last: true, Rule: dropHook}}}}
	p := NewPlan(want, testrules.Parsed(t, iptables.IPv4, "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT "+dropHook+"\nCOMMIT\n"), nil)
	if diff := cmp.Diff([]Change{{Family: "IPv4", Table: "filter", Chain: "INPUT", Op: OpAdd, Rule: dropHook}}, p.Changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

// TestPlanOrder adds the drop in its new place before it removes it from the old one, since only single
// tables are atomic. It goes on counting.
func TestPlanOrder(t *testing.T) {
	at := map[ruleset.Place]string{
		ruleset.AtInput:      "*filter\n:INPUT ACCEPT [0:0]\n[7:700] -A INPUT " + dropHook + "\nCOMMIT\n",
		ruleset.AtPrerouting: "*raw\n:PREROUTING ACCEPT [0:0]\n[7:700] -A PREROUTING " + dropHook + "\nCOMMIT\n",
	}
	for place, want := range map[ruleset.Place]string{
		ruleset.AtInput:      "*filter\n[7:700] -I INPUT 1 " + dropHook + "\n-I INPUT 2 " + banHook + "\nCOMMIT\n*raw\n-D PREROUTING " + dropHook + "\nCOMMIT\n",
		ruleset.AtPrerouting: "*raw\n[7:700] -I PREROUTING 1 " + dropHook + "\n-I PREROUTING 2 " + banHook + "\nCOMMIT\n*filter\n-D INPUT " + dropHook + "\nCOMMIT\n",
	} {
		from := ruleset.AtInput
		if place == ruleset.AtInput {
			from = ruleset.AtPrerouting
		}
		s := testrules.DropOnly()
		s.DropAt = place
		if got := NewPlan(s.Tables(iptables.IPv4), testrules.Parsed(t, iptables.IPv4, at[from]), nil).Text; got != want {
			t.Errorf("from %s to %s:\n%s", from, place, got)
		}
	}
}

// TestMovesDrop tells a move of the drop from other changes.
func TestMovesDrop(t *testing.T) {
	change := func(family, table, chain string, op Op, rule string) Change {
		return Change{Family: family, Table: table, Chain: chain, Op: op, Rule: rule}
	}
	toRaw := []Change{change("IPv4", "raw", "PREROUTING", OpAdd, dropHook), change("IPv4", "filter", "INPUT", OpRemove, dropHook)}
	toInput := []Change{change("IPv6", "filter", "INPUT", OpAdd, dropHook), change("IPv6", "raw", "PREROUTING", OpRemove, dropHook)}
	log := []Change{change("IPv4", "raw", "VOIPBL-DROP", OpCreate, ""), change("IPv4", "raw", "VOIPBL-DROP", OpAdd, "-j DROP"), change("IPv4", "filter", "VOIPBL-DROP", OpDelete, "")}
	for _, c := range []struct {
		name        string
		is          []Change
		moves, only bool
	}{
		{"nothing", nil, false, false},
		{"to raw", toRaw, true, true},
		{"to INPUT", toInput, true, true},
		{"both families, each to its place", slices.Concat(toRaw, toInput), true, true},
		{"with its chain", slices.Concat(log, toRaw), true, true},
		{"with base rules", append(slices.Clone(toRaw), change("IPv4", "filter", "INPUT", OpAdd, jumpHook)), true, false},
		{"one family lacks it", append(slices.Clone(toRaw), change("IPv6", "raw", "PREROUTING", OpAdd, dropHook)), true, false},
		{"it is missing", toRaw[:1], false, false},
		{"it is in both tables", toRaw[1:], false, false},
		{"another set", []Change{change("IPv4", "raw", "PREROUTING", OpAdd, dropHook), change("IPv4", "raw", "PREROUTING", OpRemove, banHook)}, false, false},
		{"below another program's rule", append(slices.Clone(toRaw), change("IPv4", "raw", "PREROUTING", OpMove, banHook)), true, false},
		{"base rules alone", []Change{change("IPv4", "filter", "INPUT", OpAdd, jumpHook), change("IPv4", "raw", "PREROUTING", OpRemove, dropHook)}, false, false},
	} {
		if moves, only := MovesDrop(c.is); moves != c.moves || only != c.only {
			t.Errorf("%s: %v, %v", c.name, moves, only)
		}
	}
}

// TestPlanNeeds creates fail2ban's chain where it is missing, and nowhere else.
func TestPlanNeeds(t *testing.T) {
	made := NewPlan(testrules.Full().Tables(iptables.IPv4), testrules.Empty(t, iptables.IPv4), nil)
	if !slices.Equal(made.Made, []string{iptables.SSHChain}) || strings.Count(made.Text, "-N fail2ban-ssh\n") != 1 {
		t.Errorf("made %q by\n%s", made.Made, made.Text)
	}
	there := NewPlan(testrules.Full().Tables(iptables.IPv4), testrules.Parsed(t, iptables.IPv4, "*filter\n:fail2ban-ssh - [0:0]\n-A fail2ban-ssh -s 203.0.113.9/32 -j DROP\nCOMMIT\n"), nil)
	if there.Made != nil || strings.Contains(there.Text, "-N ") || strings.Contains(there.Text, ":fail2ban-ssh") {
		t.Errorf("made %q by\n%s", there.Made, there.Text)
	}
	elsewhere := NewPlan(testrules.Full().Tables(iptables.IPv4), testrules.Parsed(t, iptables.IPv4, "*raw\n:fail2ban-ssh - [0:0]\nCOMMIT\n"), nil)
	if !slices.Equal(elsewhere.Made, []string{iptables.SSHChain}) {
		t.Errorf("made %q, where only another table has the chain", elsewhere.Made)
	}
	if p := NewPlan(testrules.DropOnly().Tables(iptables.IPv4), testrules.Empty(t, iptables.IPv4), nil); p.Made != nil {
		t.Errorf("made %q for the drop alone", p.Made)
	}
}

// TestPlanStays keeps a chain of voipbl's that another program's rule goes to: the kernel would refuse to
// delete it, and the whole removal would fail.
func TestPlanStays(t *testing.T) {
	p := NewPlan(nil, testrules.Parsed(t, iptables.IPv4, "*filter\n:INPUT ACCEPT [0:0]\n:theirs - [0:0]\n:VOIPBL-INPUT - [0:0]\n:VOIPBL-DROP - [0:0]\n"+
		"-A INPUT "+jumpHook+"\n-A theirs -p tcp -g VOIPBL-INPUT\n-A VOIPBL-INPUT -j DROP\nCOMMIT\n"), nil)
	if want := "*filter\n-D INPUT " + jumpHook + "\n-F VOIPBL-DROP\n-X VOIPBL-DROP\nCOMMIT\n"; p.Text != want {
		t.Errorf("the text is\n%s", p.Text)
	}
	want := []Change{
		{Family: "IPv4", Table: "filter", Chain: "INPUT", Op: OpRemove, Rule: jumpHook},
		{Family: "IPv4", Table: "filter", Chain: "VOIPBL-DROP", Op: OpDelete},
	}
	if diff := cmp.Diff(want, p.Changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if len(p.Stays) != 1 || !strings.Contains(p.Stays[0], "VOIPBL-INPUT") || !strings.Contains(p.Stays[0], "-A theirs -p tcp -g VOIPBL-INPUT") {
		t.Errorf("stays: %q", p.Stays)
	}
}

// TestPlanStaysTogether also keeps the chains that such a chain uses: they are held by a rule of voipbl's,
// not another program's.
func TestPlanStaysTogether(t *testing.T) {
	h := kernelText(iptables.FindTable(testrules.Full().Tables(iptables.IPv4), "filter"))
	p := NewPlan(testrules.DropOnly().Tables(iptables.IPv4), testrules.Parsed(t, iptables.IPv4, strings.Replace(h, "COMMIT\n", ":theirs - [0:0]\n-A theirs -p tcp -g VOIPBL-INPUT\nCOMMIT\n", 1)), nil)
	if strings.Contains(p.Text, "-X ") {
		t.Errorf("chains go:\n%s", p.Text)
	}
	if len(p.Stays) != 2 || !strings.Contains(p.Stays[0], "chain VOIPBL-INPUT ") || !strings.Contains(p.Stays[1], "chain VOIPBL-SIP ") {
		t.Errorf("stays: %q", p.Stays)
	}
}

// TestReadback learns how the kernel lists rules, and with which tools.
func TestReadback(t *testing.T) {
	fw := &Firewall{tools: [2]string{"1.8.9", "1.8.9"}}
	learnt := &Readback{Tools: fw.tools, Rules: [2]map[string]string{{"a": "b"}, {"c": "d"}}}
	if got := learnt.of(fw, iptables.IPv6); got["c"] != "d" {
		t.Errorf("IPv6: %v", got)
	}
	upgraded := &Firewall{tools: [2]string{"1.8.9", "1.8.10"}}
	if got := learnt.of(upgraded, iptables.IPv6); got != nil {
		t.Errorf("of other tools: %v", got)
	}
	if got := learnt.of(upgraded, iptables.IPv4); got["a"] != "b" {
		t.Errorf("IPv4, whose tools are the same: %v", got)
	}
	if got := (*Readback)(nil).of(fw, iptables.IPv4); got != nil {
		t.Errorf("of nothing: %v", got)
	}

	want := testrules.Full().Tables(iptables.IPv4)
	const noEnd = " --algo bm --to 65535"
	save := strings.ReplaceAll(kernelText(want[0]), noEnd, " --algo bm")
	known, err := learn(want, testrules.Parsed(t, iptables.IPv4, save))
	if err != nil {
		t.Fatal(err)
	}
	if len(known) != 7 {
		t.Errorf("%d rules are told otherwise, not the seven that search a whole packet", len(known))
	}
	for w, r := range known {
		if w == r || strings.ReplaceAll(w, noEnd, " --algo bm") != r {
			t.Errorf("%s\nis told as\n%s", w, r)
		}
	}
	if p := NewPlan(want, testrules.Parsed(t, iptables.IPv4, save), known); !p.Unchanged() {
		t.Errorf("changes %v", p.Changes)
	}
	// Another program's rule is not a listed form of voipbl's.
	for name, other := range map[string]string{
		"a rule too few":    strings.Replace(save, "-A VOIPBL-INPUT -m comment --comment \"voipbl: nothing else\" -j DROP\n", "", 1),
		"a rule too many":   strings.Replace(save, "-A VOIPBL-INPUT -m comment --comment \"voipbl: nothing else\" -j DROP\n", "-A VOIPBL-INPUT -j ACCEPT\n-A VOIPBL-INPUT -m comment --comment \"voipbl: nothing else\" -j DROP\n", 1),
		"another target":    strings.Replace(save, "nothing else\" -j DROP", "nothing else\" -j ACCEPT", 1),
		"another purpose":   strings.Replace(save, "nothing else", "something else", 1),
		"a hook is gone":    strings.Replace(save, "-A INPUT "+jumpHook+"\n", "", 1),
		"a hook is doubled": strings.Replace(save, "-A INPUT "+jumpHook+"\n", strings.Repeat("-A INPUT "+jumpHook+"\n", 2), 1),
	} {
		if other == save {
			t.Fatalf("%s: nothing was changed", name)
		}
		if known, err := learn(want, testrules.Parsed(t, iptables.IPv4, other)); err == nil {
			t.Errorf("%s: learnt %v", name, known)
		}
	}
}

// kernelText returns a table as iptables-save would list it if it listed rules as written.
func kernelText(t iptables.Table) string {
	var b strings.Builder
	b.WriteString("*" + t.Name + "\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:fail2ban-ssh - [0:0]\n")
	for _, c := range t.Chains {
		b.WriteString(":" + c.Name + " - [0:0]\n")
	}
	for _, h := range t.Hooks {
		b.WriteString("-A " + h.Chain + " " + h.Rule + "\n")
	}
	for _, c := range t.Chains {
		for _, r := range c.Rules {
			b.WriteString("-A " + c.Name + " " + r + "\n")
		}
	}
	return b.String() + "COMMIT\n"
}

// TestMoves: for each misplaced rule of voipbl's, the change names the rules in its place.
func TestMoves(t *testing.T) {
	const theirs = "-p tcp -j ACCEPT"
	first := []iptables.Hook{{Chain: "INPUT", Rule: dropHook}, {Chain: "INPUT", Rule: banHook}}
	last := []iptables.Hook{{Chain: "INPUT", Last: true, Rule: jumpHook}}
	change := func(op Op, rule string, others ...string) Change {
		return Change{Family: "IPv4", Table: "filter", Chain: "INPUT", Op: op, Rule: rule, Others: others}
	}
	for _, test := range []struct {
		name  string
		hooks []iptables.Hook
		rules []string
		want  []Change
	}{
		{"all are missing", first, nil, []Change{change(OpAdd, dropHook), change(OpAdd, banHook)}},
		{"one is there twice: the upper one stays", first[:1], []string{dropHook, theirs, dropHook}, []Change{change(OpRemove, dropHook)}},
		{"below a rule", first[:1], []string{theirs, dropHook}, []Change{change(OpMove, dropHook, theirs)}},
		{"above a rule", last, []string{jumpHook, theirs}, []Change{change(OpMove, jumpHook, theirs)}},
		{"the last is missing", slices.Concat(first[:1], last), []string{dropHook, theirs}, []Change{change(OpAdd, jumpHook)}},
		{"in the wrong order", first, []string{banHook, dropHook}, []Change{change(OpMove, dropHook), change(OpMove, banHook)}},
		{"as wanted", slices.Concat(first, last), []string{dropHook, banHook, theirs, jumpHook}, nil},
	} {
		save := "*filter\n:INPUT ACCEPT [0:0]\n"
		for _, r := range test.rules {
			save += "[1:2] -A INPUT " + r + "\n"
		}
		p := NewPlan([]iptables.Table{{Name: "filter", Hooks: test.hooks}}, testrules.Parsed(t, iptables.IPv4, save+"COMMIT\n"), nil)
		if diff := cmp.Diff(test.want, p.Changes); diff != "" {
			t.Errorf("%s: changes (-want +got):\n%s", test.name, diff)
		}
	}
}

// TestShape: a plan has the same shape whatever its rules have counted.
func TestShape(t *testing.T) {
	p := Plan{Text: "*filter\n:X - [0:0]\n[5:500] -A X -m comment --comment \"a] b\" -j DROP\n-I INPUT 1 -m comment --comment \"[1] c\" -j X\nCOMMIT\n"}
	want := "*filter\n:X - [0:0]\n-A X -m comment --comment \"a] b\" -j DROP\n-I INPUT 1 -m comment --comment \"[1] c\" -j X\nCOMMIT\n"
	if got := p.shape(); got != want {
		t.Errorf("the shape is\n%s", got)
	}
}

// TestNothingToPlan: without IPv6, or if its rules cannot be listed, nothing is planned for it.
func TestNothingToPlan(t *testing.T) {
	for what, saved := range map[string]*iptables.Saved{"absent": {Family: iptables.IPv6, Absent: true}, "in trouble": {Family: iptables.IPv6, Trouble: errors.New("no")}} {
		if p := NewPlan(testrules.Full().Tables(iptables.IPv6), saved, nil); !p.Unchanged() || p.Text != "" {
			t.Errorf("%s: %s", what, p.Text)
		}
	}
}
