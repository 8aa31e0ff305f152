package fetch

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// fetchError says what failed, on which object, and why. [errors.Is] and [errors.As] find
// the cause, such as a [unix.Errno].
type fetchError struct {
	Feed      string    // the feed's name; empty if it is not known
	Object    string    // the URL without its key, or the path
	Reason    Reason    // the kind of failure, to branch on
	Attempts  int       // HTTP requests made, redirects not counted; 0 for files
	NotBefore time.Time // the server's Retry-After, without a limit; zero if there was none
	Err       error     // the cause

	retry bool // another attempt may succeed
}

func (e *fetchError) Error() string {
	var b strings.Builder
	if e.Feed != "" {
		fmt.Fprintf(&b, "feed %q: ", e.Feed)
	}
	fmt.Fprintf(&b, "%s: %s: %v", e.Object, e.Reason, e.Err)
	if e.Attempts > 1 {
		fmt.Fprintf(&b, " (%d attempts)", e.Attempts)
	}
	return b.String()
}

func (e *fetchError) Unwrap() error { return e.Err }

// Remedy returns the remedy of the error's reason.
func (e *fetchError) Remedy() string { return e.Reason.Remedy() }

// Explain returns the error as a word, a sentence without feed and object, and a
// remedy.
func (e *fetchError) Explain() (reason, what, remedy string) {
	if damaged := (*DamagedError)(nil); errors.As(e.Err, &damaged) {
		return damaged.Explain()
	}
	return string(e.Reason), fmt.Sprintf("%s: %v", e.Object, e.Err), e.Remedy()
}

// A DamagedError is a file of the store that is not what was written there: truncated,
// changed, foreign, or not a regular file. It is never read as a shorter list.
type DamagedError struct {
	Path string
	Why  string
}

func (e *DamagedError) Error() string { return fmt.Sprintf("%s is damaged: %s", e.Path, e.Why) }

// Remedy returns what a person can do about it.
func (e *DamagedError) Remedy() string {
	return "nothing, if the feed can be fetched, which replaces it; otherwise remove the file and check the disk"
}

// Explain returns the error as a word, a sentence and a remedy.
func (e *DamagedError) Explain() (reason, what, remedy string) {
	return "damaged", "", e.Remedy()
}

// storageError returns the error for a failure to write, sync or rename a file of the
// store. Errors of package os name the temporary file; this one names the file that was
// to be written.
func storageError(feed, path string, err error) *fetchError {
	reason := cmp.Or(Shortage(err), ReasonStorage)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		reason = ReasonNoSpace
	}
	return &fetchError{Feed: feed, Object: path, Reason: reason, Err: withoutPath(err)}
}

// readError returns the error for a failure to open or read the file at path.
func readError(path string, err error) *fetchError {
	reason := cmp.Or(Shortage(err), ReasonUnreadable)
	if errors.Is(err, fs.ErrNotExist) {
		reason = ReasonAbsent
	}
	return &fetchError{Object: path, Reason: reason, Err: withoutPath(err)}
}

// Shortage returns the reason of an error that is not the fault of a file, disk or server,
// but of a shortage in this process or on this host (memory, open files, processes). It is
// empty for other errors.
func Shortage(err error) Reason {
	if errors.Is(err, unix.EMFILE) {
		return ReasonNoFiles
	}
	for _, errno := range []unix.Errno{unix.ENFILE, unix.ENOMEM, unix.ENOBUFS, unix.EAGAIN, unix.EINTR} {
		if errors.Is(err, errno) {
			return ReasonShortage
		}
	}
	return ""
}

// withoutPath removes the path from an error of package os, because fetchError names the
// object itself.
func withoutPath(err error) error {
	var pathErr *fs.PathError
	var linkErr *os.LinkError
	switch {
	case errors.As(err, &pathErr):
		return fmt.Errorf("%s: %w", pathErr.Op, pathErr.Err)
	case errors.As(err, &linkErr):
		return fmt.Errorf("%s: %w", linkErr.Op, linkErr.Err)
	}
	return err
}
