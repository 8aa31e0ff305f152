package blocklist

import (
	"fmt"
	"strings"

	"github.com/voipbl/voipbl/impact"
	"github.com/voipbl/voipbl/internal/problem"
)

// heldReason is the reason of the problem that newer lists wait.
const heldReason = "held"

// shownHeld is how many addresses a problem names for which lists wait.
const shownHeld = 3

// HeldProblem is why newer lists wait, as a problem; nil if none do. agent says that one is running,
// which notices when the calls have ended.
func HeldProblem(h *impact.Held, agent bool) *problem.Problem {
	if h == nil || len(h.Addresses) == 0 {
		return nil
	}
	var who []string
	for _, c := range h.Addresses[:min(len(h.Addresses), shownHeld)] {
		who = append(who, c.Words())
	}
	if more := h.More + len(h.Addresses) - len(who); more > 0 {
		who = append(who, fmt.Sprintf("%d more", more))
	}
	first := h.Addresses[0]
	ends := "wait until the call or connection has ended"
	if !agent {
		ends = "\"voipbl sync\" once the call or connection has ended"
	}
	return &problem.Problem{
		Reason: heldReason,
		Error:  "held: the lists stay as they were, since newer ones would cut off " + strings.Join(who, "; "),
		Remedy: fmt.Sprintf("%s; or \"%s\" for a friend, \"%s\" for an attacker, or \"voipbl sync --force\"", ends, first.Remedy(), first.Ban(agent)),
	}
}

// HeldProblem is why newer lists wait, or would; nil if none do.
func (r *SyncReport) HeldProblem() *problem.Problem {
	p := HeldProblem(r.Held, r.agentRuns)
	if p != nil && r.Outcome == DryRun {
		p.Error = strings.Replace(p.Error, "the lists stay as they were", "the lists would stay as they are", 1)
	}
	return p
}
