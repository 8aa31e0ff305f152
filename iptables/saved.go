package iptables

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Saved is what the kernel holds of one family in one backend, as iptables-save lists it.
type Saved struct {
	Family     Family
	Generation string // of the rules, if nothing has changed during the listing

	Tables     map[string]map[string]*SavedChain // by table and chain
	Unreadable []string                          // tables that iptables cannot list
	Absent     bool                              // the kernel does not have this family

	// Trouble is why the rules of this family could not be listed. Nothing is then known of
	// them, and no change is planned.
	Trouble error
}

// Unknown returns why it is not known which rules the kernel holds of this family, although it may
// hold some. A rule that is not in such a listing may still exist. If no tool of the family is
// installed, the result is nil: nobody could have made rules, or could remove them.
func (s *Saved) Unknown() error {
	if errors.As(s.Trouble, new(*MissingToolError)) {
		return nil
	}
	return s.Trouble
}

// SavedChain is a chain of a listing. Its Policy is "-" unless it is one of the kernel's own.
type SavedChain struct {
	Policy string
	Rules  []SavedRule
}

// SavedRule is a rule of a listing, without "-A CHAIN", and its counters.
type SavedRule struct {
	Text           string
	Packets, Bytes uint64
}

// Counted reports whether the rule has counted any packet.
func (r SavedRule) Counted() bool { return r.Packets != 0 || r.Bytes != 0 }

// Counters returns the counters as iptables-restore takes them in front of the rule.
func (r SavedRule) Counters() string { return fmt.Sprintf("[%d:%d] ", r.Packets, r.Bytes) }

// ParseSaved reads the output of "iptables-save --counters" or "ip6tables-save --counters".
// Incomplete output is an error: without CAP_NET_RAW the tool stops in the middle of a rule.
func ParseSaved(f Family, out []byte) (*Saved, error) {
	s := &Saved{Family: f, Tables: make(map[string]map[string]*SavedChain)}
	var table map[string]*SavedChain
	for line := range logicalLines(string(out)) {
		line, ended := strings.CutSuffix(line, "\n")
		switch {
		case !ended:
			return nil, fmt.Errorf("the listing stops in mid-line: %q", line)
		case line == "" || strings.HasPrefix(line, "# "):
			if name, found := incompatible(line); found {
				s.Unreadable = append(s.Unreadable, name)
			}
		case line[0] == '*':
			table = make(map[string]*SavedChain)
			s.Tables[line[1:]] = table
		case line == "COMMIT":
			table = nil
		case table == nil:
			return nil, fmt.Errorf("the listing has a line outside of a table: %q", line)
		case line[0] == ':':
			name, rest, _ := strings.Cut(line[1:], " ")
			policy, _, _ := strings.Cut(rest, " ")
			table[name] = &SavedChain{Policy: policy}
		default:
			chain, rule, err := parseRule(line)
			if err != nil {
				return nil, err
			}
			if table[chain] == nil {
				return nil, fmt.Errorf("the listing has a rule in a chain that it does not have: %q", line)
			}
			table[chain].Rules = append(table[chain].Rules, rule)
		}
	}
	if table != nil {
		return nil, fmt.Errorf("the listing stops before its end")
	}
	return s, nil
}

// logicalLines splits text into lines, except within quotes: a comment may contain a line
// break.
func logicalLines(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		var whole string
		for line := range strings.Lines(text) {
			if whole += line; whole[0] != '#' && quoteIsOpen(whole) {
				continue
			}
			if !yield(whole) {
				return
			}
			whole = ""
		}
		if whole != "" {
			yield(whole)
		}
	}
}

// quoteIsOpen reports whether a text ends within quotes. Quotes count only at the start of a word.
func quoteIsOpen(text string) bool {
	open := false
	for i := 0; i < len(text); i++ {
		switch {
		case open && text[i] == '\\':
			i++
		case open && text[i] == '"':
			open = false
		case text[i] == '"' && (i == 0 || text[i-1] == ' '):
			open = true
		}
	}
	return open
}

// incompatible recognises the tool's message about a table that holds more than iptables can
// express.
func incompatible(line string) (table string, found bool) {
	rest, found := strings.CutPrefix(line, "# Table `")
	table, _, closed := strings.Cut(rest, "' is incompatible")
	return table, found && closed
}

// Readable returns an [*IncompatibleError] if a table cannot be read, so that no rule can be
// placed or found there.
func (s *Saved) Readable(table string) error {
	if s.Trouble != nil {
		return s.Trouble
	}
	if slices.Contains(s.Unreadable, table) {
		return &IncompatibleError{Family: s.Family, Table: table}
	}
	return nil
}

// parseRule reads "[PACKETS:BYTES] -A CHAIN RULE".
func parseRule(line string) (chain string, r SavedRule, err error) {
	bad := func() (string, SavedRule, error) {
		return "", SavedRule{}, fmt.Errorf("the listing has a line that is no rule: %q", line)
	}
	rest := line
	if rest[0] == '[' {
		counters, after, found := strings.Cut(rest[1:], "] ")
		packets, bytes, colon := strings.Cut(counters, ":")
		var errs [2]error
		r.Packets, errs[0] = strconv.ParseUint(packets, 10, 64)
		r.Bytes, errs[1] = strconv.ParseUint(bytes, 10, 64)
		if !found || !colon || errs[0] != nil || errs[1] != nil {
			return bad()
		}
		rest = after
	}
	rest, found := strings.CutPrefix(rest, "-A ")
	if !found {
		return bad()
	}
	chain, r.Text, _ = strings.Cut(rest, " ")
	return chain, r, nil
}

// Texts returns the rules of a chain without their counters.
func (s *Saved) Texts(table, chain string) []string {
	var texts []string
	for _, r := range s.Rules(table, chain) {
		texts = append(texts, r.Text)
	}
	return texts
}

// Rules returns the rules of a chain with their counters.
func (s *Saved) Rules(table, chain string) []SavedRule {
	if c := s.Tables[table][chain]; c != nil {
		return c.Rules
	}
	return nil
}

// SameRules reports whether two listings have the same chains and rules, whatever their counters.
func (s *Saved) SameRules(other *Saved) bool {
	return (s.Trouble == nil) == (other.Trouble == nil) && maps.EqualFunc(s.Tables, other.Tables, func(a, b map[string]*SavedChain) bool {
		return maps.EqualFunc(a, b, func(a, b *SavedChain) bool {
			return slices.EqualFunc(a.Rules, b.Rules, func(a, b SavedRule) bool { return a.Text == b.Text })
		})
	})
}

// HasChain reports whether a table has a chain.
func (s *Saved) HasChain(table, chain string) bool { return s.Tables[table][chain] != nil }

// jumps reports whether a rule of a chain goes to a chain whose name begins with prefix.
func (s *Saved) jumps(table, chain, prefix string) bool {
	return slices.ContainsFunc(s.Rules(table, chain), func(r SavedRule) bool { return strings.HasPrefix(Target(r.Text), prefix) })
}

// NamesSource reports whether a rule of a chain of the filter table matches one source address.
func (s *Saved) NamesSource(chain string, source netip.Addr) bool {
	from := fmt.Sprintf(" -s %s ", netip.PrefixFrom(source, source.BitLen()))
	return slices.ContainsFunc(s.Texts("filter", chain), func(rule string) bool { return strings.Contains(" "+rule+" ", from) })
}

// Count returns the number of rules in all tables, of any program.
func (s *Saved) Count() int {
	n := 0
	for _, chains := range s.Tables {
		for _, c := range chains {
			n += len(c.Rules)
		}
	}
	return n
}

// Chains returns the names of a table's chains for which which is true, sorted.
func (s *Saved) Chains(table string, which func(name string, c *SavedChain) bool) []string {
	var names []string
	for name, c := range s.Tables[table] {
		if which(name, c) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// OwnChains returns the names of voipbl's chains in a table.
func (s *Saved) OwnChains(table string) []string {
	return s.Chains(table, func(name string, _ *SavedChain) bool { return IsOurChain(name) })
}

// Hooked returns the names of other chains that hold a rule of voipbl's.
func (s *Saved) Hooked(table string) []string {
	return s.Chains(table, func(name string, c *SavedChain) bool {
		return !IsOurChain(name) && slices.ContainsFunc(c.Rules, func(r SavedRule) bool { return IsOurHook(r.Text) })
	})
}

// Own returns voipbl's chains and rules in a form that can be restored.
func (s *Saved) Own() []Table {
	var tables []Table
	for _, name := range OurTables {
		t := Table{Name: name}
		for _, chain := range s.OwnChains(name) {
			c := Chain{Name: chain, Rules: s.Texts(name, chain)}
			if slices.ContainsFunc(c.Rules, func(r string) bool { return Target(r) == SSHChain }) {
				t.Needs = []string{SSHChain}
			}
			t.Chains = append(t.Chains, c)
		}
		for _, chain := range s.Hooked(name) {
			for _, rule := range s.Texts(name, chain) {
				if IsOurHook(rule) {
					t.Hooks = append(t.Hooks, Hook{Chain: chain, Last: StandsLast(rule), Rule: rule})
				}
			}
		}
		if len(t.Chains)+len(t.Hooks) > 0 {
			tables = append(tables, t)
		}
	}
	return tables
}

// StandsLast reports whether one of voipbl's rules in a kernel chain belongs to the base rules,
// which come after all others, and not to the drop.
func StandsLast(rule string) bool {
	to := Target(rule)
	return to == BaseChain || to == "ACCEPT"
}

// HasBase reports whether the base rules are in the kernel.
func (s *Saved) HasBase() bool {
	return s.HasChain("filter", BaseChain) && s.jumps("filter", "INPUT", BaseChain)
}

// Where returns the rules of all tables for which which is true, except those in voipbl's chains,
// each as "-A CHAIN RULE".
func (s *Saved) Where(which func(rule string) bool) []string {
	var found []string
	for _, table := range s.TableNames() {
		for _, chain := range s.Chains(table, func(name string, _ *SavedChain) bool { return !IsOurChain(name) }) {
			for _, text := range s.Texts(table, chain) {
				if which(text) {
					found = append(found, "-A "+chain+" "+text)
				}
			}
		}
	}
	return found
}

// HasTable reports whether a table is in a listing.
func (s *Saved) HasTable(name string) bool { return s.Tables[name] != nil }

// TableNames returns the names of the tables in a listing.
func (s *Saved) TableNames() []string {
	var names []string
	for name := range s.Tables {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// DropRule is a rule that drops packets from a set's members as they come in.
type DropRule struct {
	Table   string
	Chain   string
	Ours    bool
	Above   []string // the rules above it
	Packets uint64
	Bytes   uint64
}

// Bypassed reports whether another program's rule above it lets some packets in first.
func (d DropRule) Bypassed() bool {
	return slices.ContainsFunc(d.Above, func(rule string) bool { return Target(rule) == "ACCEPT" && !IsOurHook(rule) })
}

// First reports whether no other program's rule is above it.
func (d DropRule) First() bool {
	return !slices.ContainsFunc(d.Above, func(rule string) bool { return !IsOurHook(rule) })
}

// DropRules finds the rules that drop the set's members as they come in: voipbl's own, and
// plain ones of other programs.
func (s *Saved) DropRules(set string) []DropRule {
	var found []DropRule
	for _, at := range DropPlaces {
		rules := s.Rules(at.Table, at.Chain)
		for i, r := range rules {
			if !strings.HasPrefix(r.Text, "-m set --match-set "+set+" src ") {
				continue
			}
			own := IsOurHook(r.Text)
			logged := own && Target(r.Text) == DropChain && slices.ContainsFunc(s.Rules(at.Table, DropChain), func(r SavedRule) bool { return Target(r.Text) == "DROP" })
			if Target(r.Text) != "DROP" && !logged || !own && r.Text != "-m set --match-set "+set+" src -j DROP" {
				continue
			}
			d := DropRule{Table: at.Table, Chain: at.Chain, Ours: own, Packets: r.Packets, Bytes: r.Bytes}
			for _, above := range rules[:i] {
				d.Above = append(d.Above, above.Text)
			}
			found = append(found, d)
		}
	}
	return found
}

// DropsIn reports whether rules in a table drop the members of all sets as they come in. A set
// without a name does not count.
func (s *Saved) DropsIn(table string, sets ...string) bool {
	for _, set := range sets {
		if set != "" && !slices.ContainsFunc(s.DropRules(set), func(d DropRule) bool { return d.Table == table }) {
			return false
		}
	}
	return true
}

// Foreign names the other programs that own the firewall, as far as the rules of a backend show
// it.
func (s *Saved) Foreign() []string {
	var owners []string
	// "ufw disable" leaves ufw's chains and jumps in place, and empties the chains.
	if len(s.Rules("filter", "ufw-before-input"))+len(s.Rules("filter", "ufw6-before-input")) > 0 {
		owners = append(owners, "ufw")
	}
	if s.jumps("filter", "INPUT", "INPUT_ZONES") || s.jumps("filter", "INPUT", "INPUT_direct") {
		owners = append(owners, "firewalld")
	}
	if s.HasChain("filter", freePBXChain) {
		owners = append(owners, "FreePBX's firewall")
	}
	if s.jumps("filter", "INPUT", "LOCALINPUT") {
		owners = append(owners, "csf")
	}
	return owners
}

// freePBXChain is the chain of FreePBX's own firewall.
const freePBXChain = "fpbxfirewall"

// FreePBX reports whether FreePBX's own firewall has rules.
func (s *Saved) FreePBX() bool { return s.HasChain("filter", freePBXChain) }

// Empty reports whether a family has no rules and lets everything through.
func (s *Saved) Empty() bool {
	for _, chains := range s.Tables {
		for _, c := range chains {
			if len(c.Rules) > 0 || c.Policy == "DROP" {
				return false
			}
		}
	}
	return true
}
