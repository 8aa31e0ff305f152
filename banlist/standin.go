package banlist

import "slices"

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
		e, found := t.bans[Ban{Prefix: b.Prefix, Reason: reason}.key()]
		if found && (b.For == 0 || e.For != 0 && e.Ends <= b.Ends+slack) {
			t.remove(e)
		}
	}
}
