package banlist

import "github.com/voipbl/voipbl/cidr"

// A ban that has ended, was taken back or made way leaves the kernel's set too. Until
// that was seen, the table remembers it as gone. So an entry of the kernel that no ban is
// for can be told from a ban that could not be written down.

// Gone reports whether p, or a network around it, was banned and is no more.
func (t *Table) Gone(p cidr.Prefix) bool {
	for bits := p.Bits(); bits > 0; bits-- {
		wider, _ := p.Netip().Addr().Prefix(int(bits))
		if t.gone[cidr.FromNetip(wider)] {
			return true
		}
	}
	return false
}

// Settled says that the kernel's sets hold nothing any more of what is gone.
func (t *Table) Settled() { clear(t.gone) }
