package testroot

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// The machine's /run is hidden by a mount, so that sockets and files of the machine's
// own services cannot be reached.
const (
	runDir  = "/run"
	hostDir = runDir + "/testhost"
	// Mounted is where Mount puts a root.
	Mounted = hostDir + "/root"
)

// Mount gives the calling thread its own mounts, in which Mounted is lower with a
// writable layer in memory. They end with the last process in them, however that ends.
// Call it in a [Thread].
func Mount(lower string) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("new mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	if err := unix.Mount("tmpfs", runDir, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("tmpfs on %s: %w", runDir, err)
	}
	upper, work := filepath.Join(hostDir, "upper"), filepath.Join(hostDir, "work")
	for _, dir := range []string{upper, work, Mounted} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", lower, upper, work)
	if err := unix.Mount("overlay", Mounted, "overlay", 0, options); err != nil {
		return fmt.Errorf("overlay with %s: %w", options, err)
	}
	return nil
}
