package banlist

// Reasons of bans that were found in the kernel: nobody knows why they were made.
const (
	Lost      = "unknown: from the kernel"     // the list that had them was lost
	Unwritten = "unknown: found in the kernel" // they were written down nowhere
)

func (b Ban) standIn() bool { return b.Reason == Lost || b.Reason == Unwritten }

// replaceStandIns takes out the bans found in the kernel that are the ban b: a sync may
// have found its entry before b was written down. One that lasts longer is another ban.
func (t *Table) replaceStandIns(b Ban) {
	if b.standIn() {
		return
	}
	for _, reason := range []string{Lost, Unwritten} {
		e, found := t.bans[Ban{Prefix: b.Prefix, Reason: reason}.key()]
		if found && (b.For == 0 || e.For != 0 && e.Ends <= b.Ends+slack) {
			t.remove(e)
		}
	}
}
