package problem

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/fetch"
)

// IsShortage reports whether an error says nothing about what was asked for: this host
// has not enough of something at this moment, such as file descriptors.
func IsShortage(err error) bool {
	return fetch.Shortage(err) != "" || errors.Is(err, unix.EIO) || errors.Is(err, unix.ENOSPC)
}

// lacksFiles reports whether no more files could be opened. That says nothing about the file,
// folder or family that was met by it, and their remedies are none then.
func lacksFiles(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE)
}

// ShortageRemedy is what to do about a shortage, empty if err is none.
func ShortageRemedy(err error) string {
	switch {
	case fetch.Shortage(err) != "":
		return fetch.Shortage(err).Remedy()
	case errors.Is(err, unix.ENOSPC):
		return "make room there, and try again"
	case errors.Is(err, unix.EIO):
		return "the kernel could not read or write there: see \"journalctl -k\", check the disk, and try again"
	}
	return ""
}
