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
	Base     []string // packages in addition to the minimal system, which roots may share
	Packages []string // in addition to Base
	Version  string   // changes when Finish changes
	Finish   func(root string) error
}

// Build returns the folder of a recipe's root, and builds it first if it does not
// exist. Do not write to it.
func Build(logf func(string, ...any), r Recipe) (string, error) {
	list := list(slices.Concat(r.Base, r.Packages))
	hash := sha256.Sum256([]byte(r.Suite + "\n" + r.Version + "\n" + list))
	return kept(hex.EncodeToString(hash[:6]), func(build string) error {
		start := time.Now()
		logf("building a Debian %s with %s: this takes a minute or more, once", r.Suite, list)
		if err := r.fill(logf, build); err != nil {
			return err
		}
		if err := finish(build); err != nil {
			return err
		}
		if r.Finish != nil {
			if err := r.Finish(build); err != nil {
				return err
			}
		}
		logf("built %s in %v", build, time.Since(start).Round(time.Second))
		return nil
	})
}

// list is a sorted list of packages as debootstrap takes it.
func list(packages []string) string {
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(packages))), ",")
}

// fill makes a copy of the root that has only Base, and adds Packages: that is much faster than to
// begin from nothing.
func (r Recipe) fill(logf func(string, ...any), build string) error {
	if len(r.Base) == 0 || len(r.Packages) == 0 {
		return debootstrap(build, r.Suite, list(slices.Concat(r.Base, r.Packages)))
	}
	base, err := Build(logf, Recipe{Suite: r.Suite, Base: r.Base, Version: r.Version, Finish: r.Finish})
	if err != nil {
		return err
	}
	return add(base, build, r.Packages)
}

// kept returns the folder of a name among those that are kept, and fills it first if it does not exist.
func kept(name string, fill func(build string) error) (string, error) {
	folder := filepath.Join(os.TempDir(), "voipbl-testhost")
	if err := privateFolder(folder); err != nil {
		return "", err
	}
	root := filepath.Join(folder, name)
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
	// A killed build may have left a folder. Its mounts have ended with it.
	build := root + ".build"
	if err := os.RemoveAll(build); err != nil {
		return "", err
	}
	if err := fill(build); err != nil {
		return "", err
	}
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

// debootstrap fills folder.
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
	if out, err := isolated(cmd); err != nil {
		return fmt.Errorf("a Debian %s with %s cannot be had from its archive: %s: %w\n%s",
			suite, packages, strings.Join(cmd.Args, " "), err, out)
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
