package procself

import (
	"os"
	"runtime"
	"testing"

	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testskip"
)

// TestName: the folder has the network namespace of the calling thread. It is
// "thread-self" only if the thread has left the namespace of the process.
func TestName(t *testing.T) {
	testskip.UnlessNamespaces(t)
	runtime.LockOSThread()
	check := func(where string) {
		t.Helper()
		thread, err := os.Readlink("/proc/thread-self/ns/net")
		process, errP := os.Readlink("/proc/self/ns/net")
		if err != nil || errP != nil {
			t.Fatal(err, errP)
		}
		want := map[bool]string{true: "self", false: "thread-self"}[thread == process]
		if name := Name(); name != want {
			t.Errorf("%s: %s, want %s", where, name, want)
		}
	}
	check("as the process begins")
	testns.Enter(t)
	check("in another namespace")
}
