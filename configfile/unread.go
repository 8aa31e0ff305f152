package configfile

import (
	"errors"
	"io/fs"

	"github.com/voipbl/voipbl/internal/problem"
)

// unreadError is a configuration file that cannot be read.
type unreadError struct{ err error }

func (e *unreadError) Error() string { return "configuration: " + e.err.Error() }
func (e *unreadError) Unwrap() error { return e.err }

// Unread wraps the error of a configuration file that cannot be read, and adds a remedy.
func Unread(err error) error { return &unreadError{err} }

// Remedy mentions permissions only if they are the cause.
func (e *unreadError) Remedy() string {
	switch {
	case errors.Is(e.err, fs.ErrNotExist):
		return "name an existing file with --config; \"voipbl setup\" writes one"
	case errors.Is(e.err, fs.ErrPermission):
		return "run it as root, or name a file with --config that you may read"
	}
	if short := problem.ShortageRemedy(e.err); short != "" {
		return short
	}
	return "name another file with --config"
}
