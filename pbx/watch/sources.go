package watch

import (
	"time"

	"github.com/voipbl/voipbl/pbx"
	"github.com/voipbl/voipbl/pbx/link"
)

// sources are those that the settings name.
type sources struct {
	copies *copies // nil if there is none
	ami    *manager
	others []*source
}

func newSources(s link.Settings) *sources {
	var on sources
	if s.HEP.IsValid() {
		on.copies = newCopies(s)
	}
	if s.AMI.IsValid() {
		on.ami = newManager(s)
		on.others = append(on.others, on.ami.source)
	}
	return &on
}

func (on *sources) all() []*source {
	if on.copies == nil {
		return on.others
	}
	return append([]*source{on.copies.source}, on.others...)
}

// fresh is how long ago a message may have been copied if the PBX copies all of them.
const fresh = 10 * time.Second

// counts reports whether an observation counts. Where the PBX copies its SIP messages, the manager
// interface only tells of phones: it sees the same failures, and proves less of them.
func (on *sources) counts(o observation, now time.Time) bool {
	if on.copies == nil || o.from == on.copies.source || now.Sub(on.copies.lastMessage(now)) > fresh {
		return true
	}
	switch o.What {
	case pbx.Authenticated, pbx.Registered, pbx.Unregistered:
		return true
	}
	return false
}

// health says how the sources are.
func (on *sources) health(now time.Time, h *link.Health) {
	if c := on.copies; c != nil {
		s, last := c.stats(now)
		h.HEP = &link.HEP{Packets: s.Packets, WrongKey: s.WrongKey, Damaged: s.Damaged, Lost: s.Lost, Last: last, Error: c.failed()}
	}
	if on.ami != nil {
		h.AMI = on.ami.health()
	}
}
