package problem

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/fetch"
)

// IsShortage reports whether an error says nothing about what was asked for: this host
// has not enough of something at this moment, such as file descriptors.
func IsShortage(err error) bool {
	for _, errno := range []unix.Errno{unix.ENOMEM, unix.ENOBUFS, unix.EMFILE, unix.ENFILE, unix.EAGAIN, unix.EINTR, unix.EIO, unix.ENOSPC} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// lacksFiles reports whether no more files could be opened. That says nothing about the file,
// folder or family that was met by it, and their remedies are none then.
func lacksFiles(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE)
}

// ShortageRemedy is what to do about a shortage, empty if err is none.
func ShortageRemedy(err error) string {
	switch {
	case errors.Is(err, unix.EMFILE):
		return fetch.ReasonNoFiles.Remedy()
	case errors.Is(err, unix.ENOSPC):
		return "make room there, and try again"
	case errors.Is(err, unix.EIO):
		return "the kernel could not read or write there: see \"journalctl -k\", check the disk, and try again"
	case IsShortage(err):
		return "this host is short of memory, files or processes: see \"free\" and \"journalctl -k\", and try again"
	}
	return ""
}
