// Package testkamailio runs a real Kamailio for a test: Debian 12's, in the network namespace of the
// calling goroutine, with its own configuration. All of it ends with the test, even if that panics or
// is killed.
package testkamailio

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/testhost"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/internal/testroot"
)

// startLimit is for a busy machine; an idle one starts Kamailio in a second.
const startLimit = time.Minute

// config is where the configuration is in the root.
const config = "/etc/kamailio/test.cfg"

// Start runs Kamailio with a configuration until the test ends, and returns when it listens at the
// address by TCP. Without root the test is skipped.
func Start(t testing.TB, text string, at netip.AddrPort) {
	t.Helper()
	thread := testroot.Enter(t, testhost.Recipe(testhost.Debian12, "kamailio"), nil, func() error {
		return os.WriteFile(filepath.Join(testroot.Mounted, config), []byte(text), 0o644)
	})
	cmd := exec.Command("/usr/sbin/kamailio", "-f", config, "-DD", "-E", "-m", "32", "-M", "8")
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	var output testroot.Console
	cmd.Stdout, cmd.Stderr = &output, &output
	// Its processes end with the first one in their namespace.
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: testroot.Mounted, Cloneflags: unix.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	if err := thread.Do(cmd.Start); err != nil {
		t.Fatal("start Kamailio: ", err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is killed
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("Kamailio:\n%s", output.Tail())
		}
	})
	awaitBoot(t, at, ended, &output)
}

func awaitBoot(t testing.TB, at netip.AddrPort, ended chan struct{}, output *testroot.Console) {
	t.Helper()
	if !testpoll.Until(startLimit, func() bool {
		select {
		case <-ended:
			t.Fatalf("Kamailio has ended:\n%s", output.Tail())
		default:
		}
		conn, err := net.Dial("tcp", at.String())
		if err != nil {
			return false
		}
		conn.Close()
		return true
	}) {
		t.Fatalf("Kamailio does not listen at %s after %v:\n%s", at, startLimit, output.Tail())
	}
}
