package nft

import (
	"slices"
	"strings"

	"github.com/google/nftables/expr"
)

// Misread is a rule in a chain of iptables that its tools show without some of its matches: "ip
// saddr @friends accept" as "-j ACCEPT".
type Misread struct {
	Family       Family
	Table, Chain string
	Index        int // in the chain
	Of           int // how many rules the chain has
}

// shown has the chains that the tools of iptables show, by table, with their priority. They omit
// other base chains of these tables without an error.
var shown = map[string]struct {
	typ      string
	priority int32
	hooks    []Hook
}{
	"raw":      {"filter", -300, []Hook{Prerouting, Output}},
	"mangle":   {"filter", -150, []Hook{Prerouting, Input, Forward, Output, Postrouting}},
	"nat":      {"nat", -100, []Hook{Prerouting, Output, Input, Postrouting}},
	"filter":   {"filter", 0, []Hook{Input, Forward, Output}},
	"security": {"filter", 150, []Hook{Input, Forward, Output}},
}

// names has iptables' names for its base chains.
var names = map[Hook]string{Prerouting: "PREROUTING", Input: "INPUT", Forward: "FORWARD", Output: "OUTPUT", Postrouting: "POSTROUTING"}

// isShown reports whether the tools of iptables show a base chain.
func (t *Table) isShown(c *Chain) bool {
	if t.Family != IPv4 && t.Family != IPv6 {
		return string(c.Hook) == strings.ToLower(c.Name) && c.Name == strings.ToUpper(c.Name)
	}
	table := t.Name
	s := shown[table]
	priority := s.priority
	if table == "nat" && (c.Hook == Input || c.Hook == Postrouting) {
		priority = 100
	}
	typ := s.typ
	if table == "mangle" && c.Hook == Output {
		typ = "route"
	}
	return slices.Contains(s.hooks, c.Hook) && c.Name == names[c.Hook] && c.Type == typ && c.Priority == priority
}

// hideShown keeps only the part of a table that the tools of iptables do not show: other base
// chains, and chains with rules that they show wrong. It reports whether anything is left.
func (t *Table) hideShown() (wrong []Misread, left bool) {
	t.Shared = true
	for _, c := range t.Chains {
		for i, r := range c.Rules {
			if r.Native && (t.Family == IPv4 || t.Family == IPv6) {
				wrong = append(wrong, Misread{t.Family, t.Name, c.Name, i, len(c.Rules)})
			}
		}
	}
	for i := range t.Chains {
		c := &t.Chains[i]
		if c.Hook == "" {
			continue
		}
		if c.Shown = t.isShown(c); c.Shown && len(wrong) == 0 {
			c.Hook, c.Drops = "", false
			continue
		}
		left = true
	}
	return wrong, left
}

// isNative reports whether the tools of iptables never write such an expression, and cannot show
// it.
func isNative(e expr.Any, l load) bool {
	switch e := e.(type) {
	case *expr.Lookup:
		return true
	case *expr.Range:
		return !l.field.isPort()
	case *expr.Cmp:
		return e.Op != expr.CmpOpEq && e.Op != expr.CmpOpNeq && !l.field.isPort()
	}
	return false
}
