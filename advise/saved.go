package advise

import (
	"github.com/voipbl/voipbl/reach"
)

// savedRules finds files of saved rules that the next boot would not load. One rule with a
// missing set makes the whole file fail, and the host is open.
func (d *doctor) savedRules() {
	for _, s := range reach.SavedRenamed(d.Facts.Saved, d.Config) {
		d.note(SavedRules, Problem, s.Remedy(), "if a set is missing, no rule of the whole file is loaded", "%s", s)
	}
	if d.Facts.SetsAtBoot {
		return
	}
	for _, s := range reach.SavedUnmade(d.Facts.Saved, d.Config) {
		d.note(SavedRules, Warning, "systemctl enable voipbl-sets voipbl; or "+s.Remedy(), "if a set is missing, no rule of the whole file is loaded", "%s", s)
	}
}
