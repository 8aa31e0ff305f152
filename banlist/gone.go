package banlist

import "github.com/voipbl/voipbl/cidr"

// A ban that has ended, was taken back or was evicted must leave the kernel's set, too.
// Until that is done, the table remembers it as gone. So a leftover entry in the kernel
// can be told from a ban that could not be written to the journal.

// Gone reports whether p, or a network around it, was banned and no longer is.
func (t *Table) Gone(p cidr.Prefix) bool {
	for bits := p.Bits(); bits > 0; bits-- {
		wider, _ := p.Netip().Addr().Prefix(int(bits))
		if t.gone[cidr.FromNetip(wider)] {
			return true
		}
	}
	return false
}

// Settled forgets the bans that are gone. Call it when the kernel's sets no longer hold
// them.
func (t *Table) Settled() { clear(t.gone) }
