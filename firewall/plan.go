package firewall

import (
	"fmt"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/iptables"
)

// Plan has the changes that make one family's rules as wanted. It can be printed, and
// [Firewall.Apply] executes it.
type Plan struct {
	Family  iptables.Family
	Changes []Change // empty if the kernel is as wanted
	Made    []string // missing chains of other programs, to be created
	Stays   []string // what should go but has to stay because others use it
	Text    string   // the input of iptables-restore; empty if there is nothing to do

	counts bool // Text passes on what rules have counted until they were listed
}

// Unchanged reports whether there is nothing to do.
func (p *Plan) Unchanged() bool { return len(p.Changes) == 0 }

// shape returns the text without counters, which change while packets come in.
func (p *Plan) shape() string {
	var b strings.Builder
	for line := range strings.Lines(p.Text) {
		if _, rule, counted := strings.Cut(line, "] "); counted && line[0] == '[' {
			line = rule
		}
		b.WriteString(line)
	}
	return b.String()
}

// NewPlan compares what is wanted with what the kernel holds. known maps rules as written to
// rules as the kernel lists them. voipbl's rules that are not wanted are removed; other
// programs' rules are left alone.
func NewPlan(want []iptables.Table, saved *iptables.Saved, known map[string]string) *Plan {
	return newPlan(want, saved, known, saved)
}

// newPlan is NewPlan with the counters taken from counted.
func newPlan(want []iptables.Table, saved *iptables.Saved, known map[string]string, counted *iptables.Saved) *Plan {
	p := &Plan{Family: saved.Family}
	if saved.Absent || saved.Trouble != nil {
		return p
	}
	var text strings.Builder
	for _, name := range tableOrder(want) {
		d := differ{plan: p, saved: saved, counted: counted, known: known, written: inverse(known), table: iptables.FindTable(want, name)}
		if part := d.compare(); part != "" {
			fmt.Fprintf(&text, "*%s\n%sCOMMIT\n", name, part)
		}
	}
	p.Text = text.String()
	return p
}

// tableOrder returns the tables in the order to change them. Only each table is atomic, so the
// one that gets the drop comes first: the drop is there before it is removed elsewhere.
func tableOrder(want []iptables.Table) []string {
	if len(want) > 0 && want[0].Name == "filter" {
		return []string{"filter", "raw"}
	}
	return []string{"raw", "filter"}
}

// differ compares one table. Its parts of output are in the order in which restore needs them:
// chains, their rules, hooks, what is no longer used.
type differ struct {
	plan    *Plan
	saved   *iptables.Saved
	counted *iptables.Saved   // whose counters the rules get
	known   map[string]string // written → read
	written map[string]string // read → written
	table   iptables.Table

	chains, rules, hooks, emptied, deleted strings.Builder
}

func (d *differ) compare() string {
	for _, c := range d.table.Chains {
		d.chain(c)
	}
	for _, name := range d.table.Needs {
		if !d.saved.HasChain(d.table.Name, name) {
			d.change(Change{Chain: name, Op: OpCreate})
			d.plan.Made = append(d.plan.Made, name)
			// Not ":NAME", which would empty the chain if another program created it meanwhile.
			fmt.Fprintf(&d.chains, "-N %s\n", name)
		}
	}
	chains := iptables.HookChains(d.table)
	for _, chain := range d.saved.Hooked(d.table.Name) {
		if !slices.Contains(chains, chain) {
			chains = append(chains, chain)
		}
	}
	for _, chain := range chains {
		d.hook(chain)
	}
	d.obsolete()
	return d.chains.String() + d.rules.String() + d.hooks.String() + d.emptied.String() + d.deleted.String()
}

// obsolete removes voipbl's chains that are not wanted, except those that other programs use,
// and those that such a chain uses.
func (d *differ) obsolete() {
	left := slices.DeleteFunc(d.saved.OwnChains(d.table.Name), func(name string) bool {
		_, wanted := d.table.Chain(name)
		return wanted
	})
	for again := true; again; {
		again = false
		for i, name := range left {
			users := d.users(name, left)
			if len(users) == 0 {
				continue
			}
			d.plan.Stays = append(d.plan.Stays, fmt.Sprintf("chain %s of the %s table %s is not needed any more, but stays: it is used by %s", name, d.plan.Family, d.table.Name, strings.Join(users, ", ")))
			left = slices.Delete(left, i, i+1)
			again = true
			break
		}
	}
	for _, name := range left {
		d.change(Change{Chain: name, Op: OpDelete})
		fmt.Fprintf(&d.emptied, "-F %s\n", name) // all first, since they may refer to each other
		fmt.Fprintf(&d.deleted, "-X %s\n", name)
	}
}

// users returns the rules that refer to a chain of voipbl's and will stay: other programs' rules,
// and those in voipbl's chains that are neither wanted nor among those to go.
func (d *differ) users(chain string, going []string) []string {
	var users []string
	for _, in := range d.saved.Chains(d.table.Name, func(string, *iptables.SavedChain) bool { return true }) {
		if _, wanted := d.table.Chain(in); wanted || slices.Contains(going, in) {
			continue
		}
		for _, r := range d.saved.Texts(d.table.Name, in) {
			if iptables.Target(r) == chain && (iptables.IsOurChain(in) || !iptables.IsOurHook(r)) {
				users = append(users, "-A "+in+" "+r)
			}
		}
	}
	return users
}

func (d *differ) change(c Change) {
	c.Family, c.Table = d.plan.Family.String(), d.table.Name
	d.plan.Changes = append(d.plan.Changes, c)
}

// chain compares a chain of voipbl's, and rewrites it if it differs. Rules that were there keep
// their counters.
func (d *differ) chain(want iptables.Chain) {
	have := d.saved.Texts(d.table.Name, want.Name)
	read := expected(d.known, want.Rules)
	exists := d.saved.HasChain(d.table.Name, want.Name)
	if exists && slices.Equal(have, read) {
		return
	}
	if !exists {
		d.change(Change{Chain: want.Name, Op: OpCreate})
	}
	diffRules(d.asWritten(have), want.Rules, func(op Op, rule string) {
		d.change(Change{Chain: want.Name, Op: op, Rule: rule})
	})
	fmt.Fprintf(&d.chains, ":%s - [0:0]\n", want.Name)
	old := d.counters(want.Name)
	for i, rule := range want.Rules {
		fmt.Fprintf(&d.rules, "%s-A %s %s\n", old.take(read[i]), want.Name, rule)
	}
}

// asWritten turns rules as the kernel lists them into rules as voipbl writes them.
func (d *differ) asWritten(read []string) []string {
	var rules []string
	for _, r := range read {
		if w, ok := d.written[r]; ok {
			r = w
		}
		rules = append(rules, r)
	}
	return rules
}

// hook compares voipbl's rules in a chain of the kernel. If one is missing, misplaced, doubled or
// not wanted, all of them are inserted anew: a rule is deleted by its text, which does not tell
// two equal rules apart.
func (d *differ) hook(chain string) {
	first, last := d.table.HooksIn(chain)
	rules := d.saved.Texts(d.table.Name, chain)
	wantFirst, wantLast := expected(d.known, first), expected(d.known, last)
	own := 0
	for _, r := range rules {
		if iptables.IsOurHook(r) {
			own++
		}
	}
	if own == len(first)+len(last) && len(rules) >= own &&
		slices.Equal(rules[:len(first)], wantFirst) && slices.Equal(rules[len(rules)-len(last):], wantLast) {
		return
	}
	d.hookChanges(chain, rules, slices.Concat(first, last), len(first))
	for _, r := range rules {
		if iptables.IsOurHook(r) {
			fmt.Fprintf(&d.hooks, "-D %s %s\n", chain, r)
		}
	}
	old := d.counters(chain)
	for i, rule := range first {
		fmt.Fprintf(&d.hooks, "%s-I %s %d %s\n", old.take(wantFirst[i]), chain, i+1, rule)
	}
	for i, rule := range last {
		fmt.Fprintf(&d.hooks, "%s-A %s %s\n", old.take(wantLast[i]), chain, rule)
	}
}

// hookChanges lists what is wrong with voipbl's rules in a chain of the kernel: rules that are
// missing, that should not be there, and that are misplaced, with the rules in their place. The
// first n of want belong at the top.
func (d *differ) hookChanges(chain string, rules, want []string, n int) {
	before := len(d.plan.Changes)
	read := expected(d.known, want)
	used := make([]bool, len(rules))
	for i, rule := range want {
		at := -1
		for j, r := range rules {
			if !used[j] && r == read[i] {
				at = j
				break
			}
		}
		if at < 0 {
			d.change(Change{Chain: chain, Op: OpAdd, Rule: rule})
			continue
		}
		used[at] = true
		between := rules[:at]
		if i >= n {
			between = rules[at+1:]
		}
		if others := slices.DeleteFunc(slices.Clone(between), iptables.IsOurHook); len(others) > 0 {
			d.change(Change{Chain: chain, Op: OpMove, Rule: rule, Others: others})
		}
	}
	for j, r := range rules {
		if iptables.IsOurHook(r) && !used[j] {
			d.change(Change{Chain: chain, Op: OpRemove, Rule: d.asWritten([]string{r})[0]})
		}
	}
	if len(d.plan.Changes) == before {
		// All are there without others among them, so their order is wrong.
		for _, rule := range want {
			d.change(Change{Chain: chain, Op: OpMove, Rule: rule})
		}
	}
}

// counters returns what the rules of a chain have counted, and those in the other table that may
// move to it: the drop goes on counting.
func (d *differ) counters(chain string) *counters {
	rules := slices.Clone(d.counted.Rules(d.table.Name, chain))
	here, other := iptables.DropPlaces[0], iptables.DropPlaces[1]
	if d.table.Name != here.Table {
		here, other = other, here
	}
	from := chain
	if chain == here.Chain {
		from = other.Chain
	}
	for _, r := range d.counted.Rules(other.Table, from) {
		if iptables.IsOurHook(r.Text) || iptables.IsOurChain(from) {
			rules = append(rules, r)
		}
	}
	return &counters{plan: d.plan, rules: rules, used: make([]bool, len(rules)), guess: len(d.known) == 0}
}

// counters passes the counts of old rules on to the rules that take their place, each count only
// once.
type counters struct {
	plan  *Plan
	rules []iptables.SavedRule
	used  []bool
	guess bool // it is not known how the kernel lists the rules that voipbl writes
}

// take returns, for restore, the counters of the rule that reads back as text.
func (c *counters) take(text string) string {
	r, found := c.find(func(r iptables.SavedRule) bool { return r.Text == text })
	if !found && c.guess {
		r, found = c.find(func(r iptables.SavedRule) bool {
			return iptables.Purpose(r.Text) != "" && iptables.Purpose(r.Text) == iptables.Purpose(text) && iptables.Target(r.Text) == iptables.Target(text)
		})
	}
	if !found || !r.Counted() {
		return ""
	}
	c.plan.counts = true
	return r.Counters()
}

func (c *counters) find(same func(iptables.SavedRule) bool) (iptables.SavedRule, bool) {
	for i, r := range c.rules {
		if !c.used[i] && same(r) {
			c.used[i] = true
			return r, true
		}
	}
	return iptables.SavedRule{}, false
}
