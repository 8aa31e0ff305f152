package show

import (
	"fmt"

	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/screen"
)

// Presets prints well-known lists; configured has the names of those that the configuration has.
func Presets(s *screen.Screen, all []feeds.Preset, configured map[string]bool) {
	for i, p := range all {
		if i > 0 {
			fmt.Fprintln(s.Out)
		}
		mark := " "
		if configured[p.Name] {
			mark = "*"
		}
		fmt.Fprintf(s.Out, "%s %s\n", mark, p.Name)
		var t screen.Table
		t.Row("    what", p.About)
		t.Row("    terms", p.Terms)
		if p.Needs != "" {
			t.Row("    needs", p.Needs)
		}
		t.Row("    from", string(p.Feed().URL))
		t.Print(s.Out)
	}
	fmt.Fprintln(s.Out)
	fmt.Fprintln(s.Out, "voipbl feeds add NAME adds one; * is configured")
}
