package asterisk

import (
	"path/filepath"
	"strings"
)

// astProblem is a line that was left out.
type astProblem struct {
	effect astEffect
	err    error
}

func (p astProblem) Error() string { return p.err.Error() }

// astEffect is what Asterisk itself makes of such a line (main/config.c).
type astEffect int

const (
	lineSkipped astEffect = iota // it warns, and goes on with the next line
	fileCut                      // it reads no further in this file, which another one includes
	fileRefused                  // it takes nothing of the whole configuration
	notRead                      // it may understand it: it is we who do not
)

// remedies of what cannot be known.
var astRemedies = map[astEffect]string{
	fileCut:     "mend that line: Asterisk takes nothing of that file from there on",
	fileRefused: "mend that line: Asterisk refuses the whole configuration for it",
	notRead:     "name by hand what stands there",
}

// custom is the file for an admin's own lines that a section includes, as FreePBX has one
// for most: its main files are links into its modules, which an upgrade replaces.
func (c *astConfig) custom(section string) string {
	for _, i := range c.includes {
		if strings.EqualFold(i.section, section) && strings.HasSuffix(i.name, "_custom.conf") {
			if filepath.IsAbs(i.name) {
				return i.name
			}
			return filepath.Join(astFolder, i.name)
		}
	}
	return ""
}
