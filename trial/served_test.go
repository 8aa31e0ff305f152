package trial

import (
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/logins"
)

// TestServedSince finds the sshd of a connection. For a session over a shared connection, that
// sshd is older than the session.
func TestServedSince(t *testing.T) {
	proc, process := testvalue.Proc(t)
	const ssh = "SSH_CONNECTION=192.0.2.9 50001 192.0.2.2 22\x00"
	process(50, 1, "sshd", "")
	process(60, 50, "sshd-session", "")
	process(90, 60, "bash", ssh)
	process(91, 90, "sudo", "")
	process(92, 91, "voipbl", ssh)
	process(70, 1, "bash", ssh)
	for pid, want := range map[int]time.Duration{92: 60 * time.Second, 90: 60 * time.Second} {
		if got := logins.ServedSince(proc, pid); got != want {
			t.Errorf("of %d: %s, not %s", pid, got, want)
		}
	}
	for _, pid := range []int{70, 60, 4711} {
		if got := logins.ServedSince(proc, pid); got < time.Hour {
			t.Errorf("of %d: %s, although no sshd serves it", pid, got)
		}
	}
}
