package banlist

import "slices"

// Reasons of bans of which nobody knows why they were made.
const (
	Lost      = "unknown: from the kernel"     // the list that had them was lost
	Unwritten = "unknown: found in the kernel" // they were written down nowhere
	Half      = "unknown: from a damaged list" // nothing else of it could be read
)

var standIns = []string{Lost, Unwritten, Half}

func (b Ban) standIn() bool { return slices.Contains(standIns, b.Reason) }

// replaceStandIns takes out those of them that are the ban b: a sync may
// have found its entry before b was written down. One that lasts longer is another ban.
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
