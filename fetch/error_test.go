package fetch

import (
	"errors"
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestErrorText: each error says what failed, on which object, why, and what to do.
func TestErrorText(t *testing.T) {
	refused := errors.New("connection refused")
	tests := map[string]error{
		`feed "voipbl": https://voipbl.org/update/: unreachable: connection refused (4 attempts)`: &fetchError{
			Feed: "voipbl", Object: "https://voipbl.org/update/", Reason: ReasonUnreachable, Attempts: 4, Err: refused},
		`/etc/voipbl/x: unreadable: connection refused`: &fetchError{Object: "/etc/voipbl/x", Reason: ReasonUnreadable, Err: refused},
		`/x.list is damaged: it is cut short`:           &DamagedError{Path: "/x.list", Why: "it is cut short"},
	}
	for want, err := range tests {
		if got := err.Error(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestRemedies: every reason has a remedy, except for a canceled fetch.
func TestRemedies(t *testing.T) {
	src, err := os.ReadFile("reason.go")
	if err != nil {
		t.Fatal(err)
	}
	reasons := regexp.MustCompile(`(?m)^\tReason\w+ +Reason = "(.*)" +//`).FindAllSubmatch(src, -1)
	if len(reasons) < 17 {
		t.Fatalf("found %d reasons", len(reasons))
	}
	for _, r := range reasons {
		if reason := Reason(r[1]); (reason.Remedy() == "") != (reason == ReasonCanceled) {
			t.Errorf("%s: remedy %q", reason, reason.Remedy())
		}
	}
}

// TestShortage: a shortage while reading a file, writing one or reaching a server is reported
// as a shortage.
func TestShortage(t *testing.T) {
	for errno, want := range map[syscall.Errno]Reason{
		unix.EMFILE: ReasonNoFiles, unix.ENFILE: ReasonShortage, unix.ENOMEM: ReasonShortage,
		unix.ENOBUFS: ReasonShortage, unix.EAGAIN: ReasonShortage, unix.EINTR: ReasonShortage,
	} {
		wantReason(t, readError("/near", &os.PathError{Op: "open", Path: "/near", Err: errno}), want)
		wantReason(t, storageError("voipbl", "/feeds/voipbl.list", &os.PathError{Op: "open", Path: "/feeds/.voipbl.list1", Err: errno}), want)
		if got, retry := transportReason(&net.OpError{Op: "dial", Err: os.NewSyscallError("socket", errno)}); got != want || !retry {
			t.Errorf("%v on the way to a server: %s, again: %v", errno, got, retry)
		}
	}
	for errno, want := range map[syscall.Errno]Reason{unix.EIO: ReasonUnreadable, unix.EACCES: ReasonUnreadable, unix.ENOENT: ReasonAbsent} {
		wantReason(t, readError("/near", &os.PathError{Op: "open", Path: "/near", Err: errno}), want)
	}
}

func TestStorageError(t *testing.T) {
	for errno, want := range map[syscall.Errno]Reason{
		unix.ENOSPC: ReasonNoSpace, unix.EDQUOT: ReasonNoSpace,
		unix.EROFS: ReasonStorage, unix.EACCES: ReasonStorage, unix.EIO: ReasonStorage,
	} {
		e := storageError("voipbl", "/feeds/voipbl.list", &os.PathError{Op: "write", Path: "/feeds/.voipbl.list1", Err: errno})
		wantReason(t, e, want)
		if !errors.Is(e, errno) || strings.Contains(e.Error(), "list1") {
			t.Errorf("got %v", e)
		}
	}
}
