package configfile

import (
	"bytes"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/state"
)

// emptiedError is a configuration that is empty, where another one was in force
// before. A power cut or a full disk leaves such a file; nobody means it to take the base
// rules, the networks and the trunks away.
type emptiedError struct{ file string }

func (e *emptiedError) Error() string { return e.file + " is empty, and it was not before" }

// Remedy says what to do about it.
func (*emptiedError) Remedy() string {
	return "write the file anew (\"voipbl setup\" proposes one; what was in force stays meanwhile), or, if the defaults are meant, write {} into it"
}

// IsBlank reports whether the text of a configuration has nothing in it.
func IsBlank(text []byte) bool { return len(bytes.TrimSpace(text)) == 0 }

// hadConfig reports whether something else than the defaults was in force on this host.
func hadConfig(text []byte) bool {
	cfg, _, err := state.LastGoodConfig(text)
	return err == nil && !cfg.Equal(config.Default())
}
