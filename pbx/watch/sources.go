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

	witness witness // of copies that cease
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

// counts reports whether an observation counts. A password that was right counts only if it is proved
// where that was. Where the PBX copies its SIP messages, the manager interface sees the same, and
// proves less: over UDP, whoever has a password can write the address of another into it. Its failures
// that are not proved count also then, since some messages are too large to be copied; the requests
// before them do not, since it does not tell their methods.
func (on *sources) counts(o observation, now time.Time) bool {
	right := o.What == pbx.Authenticated || o.What == pbx.Registered || o.What == pbx.Unregistered
	if right && !o.Proved {
		return false
	}
	if on.copies == nil || o.from == on.copies.source || now.Sub(on.copies.lastMessage(now)) > fresh {
		return true
	}
	if right {
		return o.Transport != "udp"
	}
	return !o.Proved && (o.What == pbx.WrongPassword || o.What == pbx.UnknownAccount)
}

// health says how the sources are. It is called by one goroutine.
func (on *sources) health(now time.Time, h *link.Health) {
	if c := on.copies; c != nil {
		s, last := c.stats(now)
		h.HEP = &link.HEP{Packets: s.Packets, WrongKey: s.WrongKey, Damaged: s.Damaged, Foreign: s.Foreign, Lost: s.Lost, Last: last, Error: c.failed()}
	}
	if on.ami != nil {
		h.AMI = on.ami.health()
	}
	if h.HEP != nil && h.AMI != nil && h.HEP.Error == "" {
		h.HEP.Missed = on.witness.look(now, h.HEP.Packets, on.ami.sip())
	}
}
