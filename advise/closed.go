package advise

import (
	"slices"

	"github.com/voipbl/voipbl/lockout"
)

// closed looks at what the base rules shut out. A port that is closed on purpose, as
// that of a database, is worth a word and no warning. A VPN that is closed shuts out
// whoever comes in by it as soon as it has to connect again, and an sshd that nobody
// reaches shuts out everybody. The ports of the PBX have findings of their own.
func (d *doctor) closed() {
	if !d.base() {
		return
	}
	var others []string
	for _, c := range d.Closed {
		switch text := c.Place() + " (" + c.By() + ")"; {
		case c.ShutsOut() && !c.Named: // else somebody has meant it so
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
