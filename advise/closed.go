package advise

import (
	"slices"

	"github.com/voipbl/voipbl/lockout"
)

// closed finds listeners that the base rules close. A port that may be closed on purpose, such
// as a database's, is a note and no warning. A closed VPN shuts its users out when it reconnects,
// and an sshd that nobody can reach shuts out everybody. Ports of the PBX have their own
// findings.
func (d *doctor) closed() {
	if !d.base() {
		return
	}
	var others []string
	for _, c := range d.Closed {
		switch text := c.Place() + " (" + c.By() + ")"; {
		case c.ShutsOut() && !c.Named: // a named port is closed on purpose
		case c.Program == "sshd" && len(c.OpenTo) == 0:
			d.note(ListenerClosed, Warning, c.Remedy, "nobody can log in there", "sshd listens on %s, which the base rules open for nobody", c.Place())
		case !slices.Contains(others, text):
			others = append(others, text)
		}
	}
	for _, c := range lockout.VPN(d.Closed) {
		if !c.Named {
			d.note(ListenerClosed, Warning, c.Remedy, "what is connected goes on, and cannot connect again",
				"the VPN %s comes in by %s, which the base rules close", c.VPN, c.Place())
		}
	}
	if len(others) > 0 {
		d.note(ListenerClosed, Note, "nothing, if that is what you want; \"voipbl firewall diff\" says what opens them",
			"not everyone reaches what listens there", "the base rules close %s", list(others, 4))
	}
}
