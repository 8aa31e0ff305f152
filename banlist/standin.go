package banlist

import (
	"slices"

	"github.com/voipbl/voipbl/cidr"
)

// Reasons of bans whose real reason is unknown.
const (
	Lost      = "unknown: from the kernel"     // the list with their reasons was lost
	Unwritten = "unknown: found in the kernel" // they are in no list
	Half      = "unknown: from a damaged list" // only the address could be read
)

var standIns = []string{Lost, Unwritten, Half}

func (b Ban) standIn() bool { return slices.Contains(standIns, b.Reason) }

// replaceStandIns removes bans with an unknown reason that are in fact the ban b: a
// sync may have found its entry in the kernel before b was written down. A stand-in
// that lasts longer is another ban and stays.
func (t *Table) replaceStandIns(b Ban) {
	if b.standIn() {
		return
	}
	for _, reason := range standIns {
		e := t.find(&entry{prefix: cidr.FromNetip(b.Prefix), reason: reason})
		if e != nil && (b.For == 0 || e.last != 0 && e.end <= b.Ends+slack) {
			t.remove(e)
		}
	}
}
