package configfile

import (
	"bytes"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/state"
)

// emptiedError is an empty configuration file on a host where another configuration was in force
// before. A power cut or a full disk leaves such a file; nobody means it to take away base rules,
// networks and trunks.
type emptiedError struct{ file string }

func (e *emptiedError) Error() string { return e.file + " is empty, and it was not before" }

// Remedy says what to do about it.
func (*emptiedError) Remedy() string {
	return "write the file anew (\"voipbl setup\" proposes one; what was in force stays meanwhile), or, if the defaults are meant, write {} into it"
}

// IsBlank reports whether the text of a configuration has nothing in it.
func IsBlank(text []byte) bool { return len(bytes.TrimSpace(text)) == 0 }

// hadConfig reports whether text is a configuration other than the defaults.
func hadConfig(text []byte) bool {
	cfg, _, err := state.LastGoodConfig(text)
	return err == nil && !cfg.Equal(config.Default())
}
