package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testskip"
)

// inChroot runs a command in mounts of its own, with this machine's programs, an empty
// database of packages, and a root that is no mount point.
func inChroot(t *testing.T, stdin, command string) (string, int) {
	t.Helper()
	testskip.UnlessRoot(t)
	repo, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("unshare", "--mount", "sh", "-ec", `
		mount -t tmpfs none "$1"
		r=$1/root
		mkdir -p $r/usr $r/dev $r/proc $r/tmp $r/testdata $r/var/lib/dpkg $r/run
		touch $r/var/lib/dpkg/status
		for link in bin sbin lib lib64; do [ -e /$link ] && ln -s usr/$link $r/$link; done
		mount --rbind /usr $r/usr
		mount -o remount,bind,ro $r/usr
		mount --rbind /dev $r/dev
		mount -t proc none $r/proc
		mount --bind "$2/testdata" $r/testdata
		exec chroot $r `+command, "sh", t.TempDir(), repo)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil && exitCode(err) < 0 {
		t.Fatal(err)
	}
	return string(out), exitCode(err)
}

// TestTry: "make try" shows the main job to its end.
func TestTry(t *testing.T) {
	testskip.UnlessRoot(t)
	t.Parallel()
	program, err := exec.LookPath("voipbl")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "testdata/try.sh", program)
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "the kernel has no set and no rule left") {
		t.Errorf("%v:\n%s", err, out)
	}
}

// TestMakeTestSaysWhereItCannotRun: in a chroot, whose root is no mount point, before
// anything is installed; and here, where the tests run, that nothing is missing.
func TestMakeTestSaysWhereItCannotRun(t *testing.T) {
	out, code := inChroot(t, "", "sh /testdata/able.sh")
	if code != 1 || !strings.Contains(out, "the root (/) is no mount point") || !strings.Contains(out, "mount --bind DIR DIR") {
		t.Errorf("in a chroot it ends with %d:\n%s", code, out)
	}
	if out, err := exec.Command("sh", "../../testdata/able.sh").CombinedOutput(); err != nil {
		t.Errorf("here: %v\n%s", err, out)
	}
}

// TestMakeTestAsksBeforeItInstalls: on a terminal it names the packages and the services
// that come with them, and "no" leaves all as it is.
func TestMakeTestAsksBeforeItInstalls(t *testing.T) {
	out, code := inChroot(t, "n\n", `script -qec "sh /testdata/install.sh ipset fail2ban openssh-server" /dev/null`)
	starts := "That is put off, but at the next boot run:"
	if _, err := os.Stat("/usr/sbin/policy-rc.d"); err == nil { // this machine has a policy of its own
		starts = "as your /usr/sbin/policy-rc.d allows"
	}
	for _, want := range []string{"ipset fail2ban openssh-server", starts, "systemctl disable fail2ban ssh", "Install them? [Y/n]", "nothing is installed"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	if code != 1 || strings.Contains(out, "Reading package lists") {
		t.Errorf("it ends with %d:\n%s", code, out)
	}
	// Without a terminal it asks nobody: it says so and goes on, here until apt finds no mirror.
	out, code = inChroot(t, "", "sh /testdata/install.sh ipset")
	if code == 0 || !strings.HasPrefix(out, "these packages are missing, and are installed on this machine by apt-get:\n  ipset\n") || strings.Contains(out, "[Y/n]") || strings.Contains(out, "systemctl") {
		t.Errorf("without a terminal it ends with %d:\n%s", code, out)
	}
}
