package iptwalk_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/testrules"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/iptwalk"
)

// TestOwnRulesAreNoShadows: Shadowed finds none of voipbl's rules, whatever is configured.
func TestOwnRulesAreNoShadows(t *testing.T) {
	for name, s := range testrules.Configurations() {
		for _, f := range iptables.Families {
			kernel, err := iptables.ParseSaved(f, []byte(asListed(firewall.NewPlan(s.Tables(f), testrules.Empty(t, f), nil).Text)))
			if err != nil {
				t.Fatal(err)
			}
			if want := kernelRules(s.Tables(f)); kernel.Count() != want {
				t.Errorf("%s, %s: %d rules listed, not %d", name, f, kernel.Count(), want)
			}
			if found := iptwalk.Shadowed(kernel); len(found) > 0 {
				t.Errorf("%s, %s: %+v", name, f, found)
			}
		}
	}
}

// kernelRules counts the rules of tables.
func kernelRules(tables []iptables.Table) int {
	n := 0
	for _, t := range tables {
		n += len(t.Hooks)
		for _, c := range t.Chains {
			n += len(c.Rules)
		}
	}
	return n
}

// asListed returns what an empty kernel lists after text was restored.
func asListed(text string) string {
	var head, body strings.Builder
	for line := range strings.Lines(text) {
		for _, chain := range []string{"INPUT", "OUTPUT", "PREROUTING"} {
			line = strings.Replace(line, "-I "+chain+" 1 ", "-A "+chain+" ", 1)
			line = strings.Replace(line, "-I "+chain+" 2 ", "-A "+chain+" ", 1)
			line = strings.Replace(line, "-I "+chain+" 3 ", "-A "+chain+" ", 1)
			line = strings.Replace(line, "-I "+chain+" 4 ", "-A "+chain+" ", 1)
		}
		switch {
		case strings.HasPrefix(line, "-N "):
			fmt.Fprintf(&head, ":%s - [0:0]\n", strings.TrimSpace(line[3:]))
		case strings.HasPrefix(line, "*"):
			head.WriteString(line + ":INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:PREROUTING ACCEPT [0:0]\n")
		case strings.HasPrefix(line, "COMMIT"):
			body.WriteString(line)
			head.WriteString(body.String())
			body.Reset()
		case strings.HasPrefix(line, ":"):
			head.WriteString(line)
		default:
			body.WriteString(line)
		}
	}
	return head.String()
}
