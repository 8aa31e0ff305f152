package configfile

import (
	"os"
)

// referenceConfig is the commented configuration with every key and its default, installed by the
// package and by "make install". It is for people: voipbl does not read it.
const referenceConfig = "/usr/share/voipbl/voipbl.yaml"

// mistakeError is a configuration with mistakes.
type mistakeError struct{ error }

func (e *mistakeError) Unwrap() error { return e.error }

// Remedy points to the file that explains every key. It is empty if that file is missing.
func (e *mistakeError) Remedy() string {
	if _, err := os.Stat(referenceConfig); err != nil {
		return ""
	}
	return "see " + referenceConfig + ", which explains every key"
}
