package main

import (
	"testing"

	"github.com/voipbl/voipbl/internal/testskip"
)

// What voipbl says of a host is asked in five ways: status, sync --dry-run, doctor, check
// and firewall diff, each for people and for programs. TestAnswers brings hosts into every
// kind of trouble at once, asks all of them, and holds the answers against each other (see
// contradictions) and against what their remedies do (see carryOut).

// TestAnswers asks hosts in trouble all questions. Rows with the same agent, base rules and
// tools share a host.
func TestAnswers(t *testing.T) {
	testskip.UnlessRoot(t)
	t.Parallel()
	type kind struct{ agent, base, tools string }
	groups := make(map[kind][]trouble)
	var kinds []kind
	for _, row := range chosenTroubles(t) {
		k := kind{row.Agent, row.Base, row.tools()}
		if groups[k] == nil {
			kinds = append(kinds, k)
		}
		groups[k] = append(groups[k], row)
	}
	for _, k := range kinds {
		t.Run(k.agent+"-base-"+k.base+"-"+k.tools, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, groups[k][0])
			for _, row := range groups[k] {
				s.play(row)
			}
		})
	}
}
