package testhost

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/testpoll"
)

// Each boot needs its own control group. Otherwise systemd-nspawn --keep-unit would use
// the test's: two containers would share their services' groups, and leftovers would
// stay forever.

// namePrefix begins the names of hosts and their groups. It has the PID namespace of the
// test; the PID follows. Without the namespace, two runs of the tests on one machine, each
// in its own PID namespace, could have the same names, and would take each other's groups
// for leftovers.
var namePrefix = fmt.Sprintf("voipbl-test-%d-", pidNamespace())

func pidNamespace() uint64 {
	var own unix.Stat_t
	_ = unix.Stat("/proc/self/ns/pid", &own) // 0 if it fails
	return own.Ino
}

// removeLimit is how long the kernel may take to empty a group after its processes were
// killed.
const removeLimit = 5 * time.Second

// ownCgroups returns the folders of this process's control group in the hierarchies
// that systemd uses. The first is the unified hierarchy; on a machine that also has the
// old ones, systemd makes the same groups in one of these.
func ownCgroups() ([]string, error) {
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	own := ""
	for line := range strings.Lines(string(groups)) {
		if group, ok := strings.CutPrefix(line, "0::"); ok {
			own = strings.TrimSuffix(group, "\n")
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var unified, named []string
	for line := range strings.Lines(string(mounts)) {
		// proc_pid_mountinfo(5): ID, parent, device, root, mount point,
		// options..., "-", type, source, super options.
		mount, filesystem, _ := strings.Cut(line, " - ")
		m, f := strings.Fields(mount), strings.Fields(filesystem)
		if len(m) < 5 || len(f) < 3 {
			continue
		}
		folder := filepath.Join(m[4], strings.TrimPrefix(own, m[3]))
		switch {
		case f[0] == "cgroup2":
			unified = append(unified, folder)
		case f[0] == "cgroup" && slices.Contains(strings.Split(f[2], ","), "name=systemd"):
			named = append(named, folder)
		}
	}
	if own == "" || len(unified) == 0 {
		return nil, errors.New("the unified hierarchy of control groups is not mounted")
	}
	return append(unified[:1], named...), nil
}

// newCgroup makes a control group below ours and returns its folder.
func newCgroup(name string) (string, error) {
	own, err := ownCgroups()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(own[0], name)
	return folder, os.Mkdir(folder, 0o755)
}

// killCgroup kills all processes in the group and below it.
func killCgroup(folder string) error {
	f, err := os.OpenFile(filepath.Join(folder, "cgroup.kill"), os.O_WRONLY, 0) // since Linux 5.14
	if err != nil {
		return err
	}
	_, err = f.WriteString("1")
	return errors.Join(err, f.Close())
}

// removeCgroup removes a group with all groups below it, as soon as they have no
// processes.
func removeCgroup(folder string) error {
	own, err := ownCgroups()
	if err != nil {
		return err
	}
	var errs []error
	for _, parent := range own {
		errs = append(errs, removeTree(filepath.Join(parent, filepath.Base(folder))))
	}
	return errors.Join(errs...)
}

// removeTree removes only folders, which is enough for control groups. The kernel
// refuses to remove one with processes.
func removeTree(folder string) error {
	var folders []string
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			folders = append(folders, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	// The kernel does not signal when the last process of a group is reaped.
	for _, f := range slices.Backward(folders) {
		testpoll.Until(removeLimit, func() bool { err = unix.Rmdir(f); return !errors.Is(err, unix.EBUSY) })
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("remove control group %s: %w", f, err)
		}
	}
	return nil
}

// sweepCgroups removes the groups that killed tests of this PID namespace have left. Their
// hosts power off by themselves; hosts that are still running are killed. (When a PID
// namespace ends, the kernel kills all its processes.)
func sweepCgroups() error {
	own, err := ownCgroups()
	if err != nil {
		return err
	}
	var errs []error
	for i, parent := range own {
		left, err := filepath.Glob(filepath.Join(parent, namePrefix+"*"))
		if err != nil {
			return err
		}
		for _, folder := range left {
			number, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(folder), namePrefix), "-")
			pid, err := strconv.Atoi(number)
			if err != nil || unix.Kill(pid, 0) != unix.ESRCH {
				continue
			}
			// Processes are killed through the unified hierarchy, which is first. It is
			// no error if another test has swept meanwhile.
			if i == 0 {
				if err := killCgroup(folder); !errors.Is(err, fs.ErrNotExist) {
					errs = append(errs, err)
				}
			}
			errs = append(errs, removeTree(folder))
		}
	}
	return errors.Join(errs...)
}
