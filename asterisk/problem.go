package asterisk

import (
	"path/filepath"
	"strings"
)

// astProblem is a line that was skipped.
type astProblem struct {
	effect astEffect
	err    error
}

func (p astProblem) Error() string { return p.err.Error() }

// astEffect says what Asterisk itself does with such a line (main/config.c).
type astEffect int

const (
	lineSkipped astEffect = iota // it warns and continues with the next line
	fileCut                      // it stops reading this file, which another one includes
	fileRefused                  // it ignores the whole configuration
	notRead                      // it may understand the line; this parser does not
)

// astRemedies say what to do about each effect.
var astRemedies = map[astEffect]string{
	fileCut:     "mend that line: Asterisk takes nothing of that file from there on",
	fileRefused: "mend that line: Asterisk refuses the whole configuration for it",
	notRead:     "name by hand what stands there",
}

// custom returns the file for an admin's own lines that a section includes. FreePBX has such a file
// for most sections, because its main files are links into its modules, which upgrades replace.
func (c *astConfig) custom(section string) string {
	for _, i := range c.includes {
		if strings.EqualFold(i.section, section) && strings.HasSuffix(i.name, "_custom.conf") {
			if filepath.IsAbs(i.name) {
				return i.name
			}
			return filepath.Join(Folder, i.name)
		}
	}
	return ""
}
