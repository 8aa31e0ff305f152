package iptables

import "slices"

// Table is all that voipbl has in one table, as text.
type Table struct {
	Name   string   `json:"name"`             // "filter" or "raw"
	Chains []Chain  `json:"chains,omitempty"` // voipbl's own
	Hooks  []Hook   `json:"hooks,omitempty"`  // voipbl's rules in the kernel's own chains
	Needs  []string `json:"needs,omitempty"`  // other programs' chains that must exist
}

// Chain is one of voipbl's chains with all its rules.
type Chain struct {
	Name  string   `json:"name"`
	Rules []string `json:"rules"`
}

// Hook is a rule of voipbl's in another chain. It is either above or below all other rules there.
type Hook struct {
	Chain string `json:"chain"`
	Last  bool   `json:"last,omitempty"`
	Rule  string `json:"rule"`
}

// OurTables are the tables that voipbl may have rules in, always listed in this order.
var OurTables = [...]string{"raw", "filter"}

// FindTable returns the table of that name, or an empty one.
func FindTable(tables []Table, name string) Table {
	for _, t := range tables {
		if t.Name == name {
			return t
		}
	}
	return Table{Name: name}
}

// Chain returns the chain of that name.
func (t Table) Chain(name string) (Chain, bool) {
	for _, c := range t.Chains {
		if c.Name == name {
			return c, true
		}
	}
	return Chain{}, false
}

// HooksIn returns the rules wanted first and last in a chain of the kernel.
func (t Table) HooksIn(chain string) (first, last []string) {
	for _, h := range t.Hooks {
		switch {
		case h.Chain != chain:
		case h.Last:
			last = append(last, h.Rule)
		default:
			first = append(first, h.Rule)
		}
	}
	return first, last
}

// HookChains returns the kernel's chains that a table's hooks are in.
func HookChains(t Table) []string {
	var chains []string
	for _, h := range t.Hooks {
		if !slices.Contains(chains, h.Chain) {
			chains = append(chains, h.Chain)
		}
	}
	return chains
}
