package agent

import (
	"regexp"
	"strings"
)

// mendFirst is what comes before a command that refuses the configuration.
const mendFirst = "mend the configuration (see \"voipbl config check\"), then "

// readsFile finds the commands that go by the file, and refuse one with a mistake.
var readsFile = regexp.MustCompile(`"voipbl (sync|reload|firewall (apply|confirm))`)

// Mended is a remedy as it can be carried out where the configuration has a mistake: that
// is mended before a command that goes by it is run.
func Mended(remedy string) string {
	if !readsFile.MatchString(remedy) || strings.HasPrefix(remedy, mendFirst) {
		return remedy
	}
	return mendFirst + remedy
}

// Mended is a remedy as it can be carried out on this host; see [Mended].
func (s *Status) Mended(remedy string) string {
	if !s.mistaken {
		return remedy
	}
	return Mended(remedy)
}
