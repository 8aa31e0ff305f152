package testrules

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

// Refusals are rules that are refused, and by whom. All begin with a mark.
var Refusals = map[string]string{
	"kernel": refusedMark + " -p udp -j MASQUERADE",                          // only in the table nat, and no --test shows that
	"tool":   refusedMark + " -m set --match-set voip_missing%s src -j DROP", // until that set exists
}

const refusedMark = `-m comment --comment "voipbl: refused"`

// SecondRefused returns want with a rule that is refused, of the kind "kernel" or "tool", in the
// table that is changed second. The first one has been committed by then.
func SecondRefused(want ruleset.Wanted, by string, families ...iptables.Family) ruleset.Wanted {
	for _, f := range families {
		rule := Refusals[by]
		if by == "tool" {
			rule = fmt.Sprintf(rule, [2]string{"", "6"}[f])
		}
		name := map[string]string{"filter": "raw", "raw": "filter"}[want[f][0].Name]
		tables := slices.DeleteFunc(slices.Clone(want[f]), func(t iptables.Table) bool { return t.Name == name })
		second := iptables.FindTable(want[f], name)
		second.Chains = append(slices.Clone(second.Chains), iptables.Chain{Name: iptables.ChainPrefix + "REFUSED", Rules: []string{rule}})
		want[f] = append(tables, second)
	}
	return want
}

// Restores lets the tools of one backend that restore rules be killed, as the kernel does when
// memory is short.
type Restores struct{ dir string }

// NewRestores puts wrappers of the tools before all others in PATH, until the test ends.
func NewRestores(t *testing.T, backend string) Restores {
	t.Helper()
	r := Restores{t.TempDir()}
	for _, f := range iptables.Families {
		name := f.Command() + "-" + backend + "-restore"
		program := filepath.Join("/usr/sbin", name)
		script := fmt.Sprintf(`#!/bin/sh
case "$*" in *--test*) exec %[1]s "$@";; esac
text=%[2]s/text.$$
cat >$text
if grep -q 'voipbl: refused' $text; then
	>%[2]s/refused.%[3]s
	exec %[1]s "$@" <$text
fi
if [ -e %[2]s/halfway ] && [ $(grep -c COMMIT $text) -gt 1 ]; then
	>%[2]s/refused.%[3]s
	sed /COMMIT/q $text | %[1]s "$@"
	kill -KILL $$
fi
[ -e %[2]s/broken ] && [ -e %[2]s/refused.%[3]s ] && kill -KILL $$
exec %[1]s "$@" <$text
`, program, r.dir, name)
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", r.dir+":"+os.Getenv("PATH"))
	return r
}

// Break has the tool of a family that has been refused, or killed halfway, killed whenever it is to
// restore anything else.
func (r Restores) Break(t *testing.T, broken bool) { r.set(t, "broken", broken) }

// KillHalfway has every run from now on killed after it has changed the first of several tables.
func (r Restores) KillHalfway(t *testing.T, kill bool) { r.set(t, "halfway", kill) }

func (r Restores) set(t *testing.T, name string, on bool) {
	t.Helper()
	path := filepath.Join(r.dir, name)
	var err error
	if on {
		err = os.WriteFile(path, nil, 0o600)
	} else {
		err = os.RemoveAll(path)
	}
	if err != nil {
		t.Fatal(err)
	}
}
