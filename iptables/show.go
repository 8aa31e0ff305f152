package iptables

import (
	"fmt"
	"strings"
)

// Show returns one family's rules as text for people, with the purpose of each on its own line.
// iptables-restore --noflush accepts it too.
func Show(tables []Table) string {
	var b strings.Builder
	rule := func(head, rule string) {
		fmt.Fprintf(&b, "# %s\n%s %s\n", Purpose(rule), head, WithoutPurpose(rule))
	}
	for _, t := range tables {
		fmt.Fprintf(&b, "*%s\n", t.Name)
		for _, c := range t.Chains {
			fmt.Fprintf(&b, ":%s - [0:0]\n", c.Name)
		}
		for _, name := range t.Needs {
			fmt.Fprintf(&b, "# made if it is missing, and left alone if not: -N %s\n", name)
		}
		for _, c := range t.Chains {
			for _, r := range c.Rules {
				rule("-A "+c.Name, r)
			}
		}
		for _, chain := range HookChains(t) {
			first, last := t.HooksIn(chain)
			for i, r := range first {
				rule(fmt.Sprintf("-I %s %d", chain, i+1), r)
			}
			for _, r := range last {
				rule("-A "+chain, r)
			}
		}
		b.WriteString("COMMIT\n")
	}
	return b.String()
}
