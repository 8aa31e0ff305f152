package fetch

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Each says what failed, on which object, why, and what to do.
func TestErrorText(t *testing.T) {
	refused := errors.New("connection refused")
	tests := map[string]error{
		`feed "voipbl": https://voipbl.org/update/: unreachable: connection refused (4 attempts)`: &Error{
			Feed: "voipbl", Object: "https://voipbl.org/update/", Reason: ReasonUnreachable, Attempts: 4, Err: refused},
		`/etc/voipbl/x: unreadable: connection refused`: &Error{Object: "/etc/voipbl/x", Reason: ReasonUnreadable, Err: refused},
		`/x.list is damaged: it is cut short`:           &DamagedError{Path: "/x.list", Why: "it is cut short"},
	}
	for want, err := range tests {
		if got := err.Error(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// No reason is left without a remedy, but for the one the user gave himself.
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
