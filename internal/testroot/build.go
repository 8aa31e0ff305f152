// Package testroot builds Debian root folders for tests and keeps them. A test mounts a
// writable layer above one, in its own mount namespace.
package testroot

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Recipe says what is in a root.
type Recipe struct {
	Suite    string   // of Debian: "bookworm", "sid"
	Packages []string // in addition to the minimal system
	Version  string   // changes when Finish changes
	Finish   func(root string) error
}

// Build returns the folder of a recipe's root, and builds it first if it does not
// exist. Do not write to it.
func Build(logf func(string, ...any), r Recipe) (string, error) {
	packages := slices.Sorted(slices.Values(r.Packages))
	list := strings.Join(slices.Compact(packages), ",")

	folder := filepath.Join(os.TempDir(), "voipbl-testhost")
	if err := privateFolder(folder); err != nil {
		return "", err
	}
	hash := sha256.Sum256([]byte(r.Suite + "\n" + r.Version + "\n" + list))
	root := filepath.Join(folder, hex.EncodeToString(hash[:6]))

	lock, err := os.OpenFile(root+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close() // unlocks it
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	if _, err := os.Stat(root); !errors.Is(err, fs.ErrNotExist) {
		return root, err
	}
	start := time.Now()
	logf("building a Debian %s with %s: this takes a minute or more, once", r.Suite, list)
	// A killed build may have left a folder. Its mounts have ended with it.
	build := root + ".build"
	if err := os.RemoveAll(build); err != nil {
		return "", err
	}
	if err := debootstrap(build, r.Suite, list); err != nil {
		return "", err
	}
	if err := finish(build); err != nil {
		return "", err
	}
	if r.Finish != nil {
		if err := r.Finish(build); err != nil {
			return "", err
		}
	}
	logf("built %s in %v", root, time.Since(start).Round(time.Second))
	return root, os.Rename(build, root)
}

// privateFolder makes a folder in a place where any user could have made it, and
// refuses one that is not root's, because its files will run as root.
func privateFolder(folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	info, err := os.Lstat(folder)
	if err != nil {
		return err
	}
	if !info.IsDir() || info.Mode().Perm() != 0o700 || info.Sys().(*syscall.Stat_t).Uid != 0 {
		return fmt.Errorf("%s is not a folder of root's alone: remove it", folder)
	}
	return nil
}

// debootstrap fills folder. It runs in its own process and mount namespaces, so that
// none of its processes and mounts outlives it or the test.
func debootstrap(folder, suite, packages string) error {
	if _, err := exec.LookPath("debootstrap"); err != nil {
		return errors.New("debootstrap is missing: install the package debootstrap")
	}
	cmd := exec.Command("debootstrap", "--variant=minbase", "--include="+packages, suite, folder)
	mirror, err := aptMirror(suite)
	if err != nil {
		return err
	}
	if mirror != "" {
		cmd.Args = append(cmd.Args, mirror)
	}
	var out Console
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   unix.CLONE_NEWPID,
		Unshareflags: unix.CLONE_NEWNS,
		Pdeathsig:    syscall.SIGKILL,
	}
	// The caller may be in a network namespace without a way out.
	th := NewThread()
	defer th.End()
	if err := th.Do(cmd.Run); err != nil {
		return fmt.Errorf("a Debian %s with %s cannot be had from its archive: %s: %w\n%s",
			suite, packages, strings.Join(cmd.Args, " "), err, out.Tail())
	}
	return nil
}

// finish removes files that are specific to the machine, and large ones that are not
// needed.
func finish(root string) error {
	if err := os.WriteFile(filepath.Join(root, "etc/hostname"), []byte("pbx\n"), 0o644); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(root, "etc/resolv.conf")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(root, "var/cache/apt/archives/*.deb"))
	if err != nil {
		return err
	}
	for _, deb := range debs {
		if err := os.Remove(deb); err != nil {
			return err
		}
	}
	return nil
}
