package agent

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/state"
)

// pace limits how often repairs are made, so that two programs that undo each other's changes do
// not load the machine. The first repair is made at once; then the pause doubles each time.
type pace struct {
	last  time.Time
	pause time.Duration
}

const (
	minPace  = time.Second
	maxPace  = 10 * time.Second // a repair is never later than 15 s
	calmTime = 10 * time.Minute // after that long without a repair, the next is made at once
)

// ready is when the next repair may be made.
func (p *pace) ready() time.Time { return p.last.Add(p.pause) }

// note notes that a repair was made.
func (p *pace) note(now time.Time) {
	if now.Sub(p.last) > calmTime {
		p.pause = 0
	}
	p.last, p.pause = now, min(max(2*p.pause, minPace), maxPace)
}

// shownFound is how many differences of one repair are logged. A flushed chain has dozens.
const shownFound = 4

// repaired notes a repair, and logs it.
func (d *daemon) repaired(what string, found []string) {
	now := time.Now()
	d.pace.note(now)
	if more := len(found) - shownFound; more > 1 {
		found = append(slices.Clone(found[:shownFound]), fmt.Sprintf("and %d more like these", more))
	}
	d.log.Warn("others had changed the "+what+" of voipbl; the agent has repaired them", "found", strings.Join(found, "; "))
	d.state.change(func(s *state.AgentStatus) {
		s.Repaired(state.Repair{At: now.UTC().Truncate(time.Second), What: what, Found: found})
	})
}

// changeFound says what was wrong, so that a change was needed.
func changeFound(c firewall.Change) string {
	where := fmt.Sprintf("%s %s %s", c.Family, c.Table, c.Chain)
	rule := iptables.WithoutPurpose(c.Rule)
	if purpose := iptables.Purpose(c.Rule); purpose != "" {
		rule = purpose
	}
	switch c.Op {
	case firewall.OpAdd:
		return where + ": a rule was missing: " + rule
	case firewall.OpRemove:
		return where + ": a rule should not be there: " + rule
	case firewall.OpCreate:
		return where + ": the chain was gone"
	case firewall.OpDelete:
		return where + ": the chain should not be there"
	}
	if len(c.Others) == 0 {
		return where + ": a rule stood in the wrong place: " + rule
	}
	return where + ": other rules stood before the rule \"" + rule + "\": " + strings.Join(c.Others, ", ")
}
