package agent

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/state"
)

// pace spaces repairs, so that two programs which undo each other do not fill the
// machine: the first is made at once, and then each after twice as long a pause as
// the one before.
type pace struct {
	last  time.Time
	pause time.Duration
}

const (
	minPace  = time.Second
	maxPace  = 10 * time.Second // a repair is never later than 15 s
	calmTime = 10 * time.Minute // after which the first one is made at once again
)

// ready is when the next repair may be made.
func (p *pace) ready() time.Time { return p.last.Add(p.pause) }

// note takes note of a repair.
func (p *pace) note(now time.Time) {
	if now.Sub(p.last) > calmTime {
		p.pause = 0
	}
	p.last, p.pause = now, min(max(2*p.pause, minPace), maxPace)
}

// shownFound is how many differences of one repair are told about: a chain that was
// flushed has dozens.
const shownFound = 4

// repaired takes note of a repair, and tells about it.
func (d *daemon) repaired(what string, found []string) {
	now := time.Now()
	d.pace.note(now)
	if more := len(found) - shownFound; more > 1 {
		found = append(slices.Clone(found[:shownFound]), fmt.Sprintf("and %d more like these", more))
	}
	d.log.Warn("others had changed the "+what+" of voipbl; the agent has put them right", "found", strings.Join(found, "; "))
	d.state.change(func(s *state.AgentStatus) {
		s.Repaired(state.Repair{At: now.UTC().Truncate(time.Second), What: what, Found: found})
	})
}

// changeFound says what was found that made a change necessary.
func changeFound(c firewall.Change) string {
	where := fmt.Sprintf("%s %s %s", c.Family, c.Table, c.Chain)
	rule := firewall.WithoutPurpose(c.Rule)
	if purpose := firewall.Purpose(c.Rule); purpose != "" {
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
