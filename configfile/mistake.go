package configfile

import (
	"os"
)

// referenceConfig is the commented configuration with every key and its default, which
// the package and "make install" put there. It is not read: it is for people.
const referenceConfig = "/usr/share/voipbl/voipbl.yaml"

// mistakeError is a configuration with mistakes.
type mistakeError struct{ error }

func (e *mistakeError) Unwrap() error { return e.error }

// Remedy says where every key is explained. Without the file it says nothing.
func (e *mistakeError) Remedy() string {
	if _, err := os.Stat(referenceConfig); err != nil {
		return ""
	}
	return "see " + referenceConfig + ", which explains every key"
}
