package problem

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/fetch"
)

// IsShortage reports whether an error means that this host is short of something at the
// moment, such as file descriptors, so that it says nothing about the object in the
// error.
func IsShortage(err error) bool {
	return fetch.Shortage(err) != "" || errors.Is(err, unix.EIO) || errors.Is(err, unix.ENOSPC)
}

// lacksFiles reports whether no more files could be opened. Then the file, folder or family
// in the error is not at fault, and its remedies do not help.
func lacksFiles(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE)
}

// ShortageRemedy returns what to do about a shortage; "" if err is none.
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
