package testroot

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// adds copies a root and installs packages in the copy, by its own apt. Nothing of them is started.
const adds = `base=$1 root=$2
shift 2
cp -a --reflink=auto "$base" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"
cp /etc/resolv.conf "$root/etc/resolv.conf"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
export DEBIAN_FRONTEND=noninteractive
chroot "$root" apt-get --quiet update
chroot "$root" apt-get --quiet --yes --no-install-recommends -o Dpkg::Options::=--force-unsafe-io install "$@"
rm -r "$root/usr/sbin/policy-rc.d" "$root/var/lib/apt/lists"
umount "$root/tmp" "$root/proc"
`

// add makes root a copy of base with more packages.
func add(base, root string, packages []string) error {
	cmd := exec.Command("sh", append([]string{"-ec", adds, "sh", base, root}, packages...)...)
	if out, err := isolated(cmd); err != nil {
		return fmt.Errorf("%s cannot be added to %s from Debian's archive: %w\n%s", strings.Join(packages, ", "), base, err, out)
	}
	return nil
}

// isolated runs a command in its own process and mount namespaces, so that none of its processes and
// mounts outlives it or the test, and in the machine's network namespace. out is the end of what it says.
func isolated(cmd *exec.Cmd) (out string, err error) {
	var console Console
	cmd.Stdout, cmd.Stderr = &console, &console
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   unix.CLONE_NEWPID,
		Unshareflags: unix.CLONE_NEWNS,
		Pdeathsig:    syscall.SIGKILL,
	}
	// The caller may be in a network namespace without a way out.
	th := NewThread()
	defer th.End()
	err = th.Do(cmd.Run)
	return console.Tail(), err
}
