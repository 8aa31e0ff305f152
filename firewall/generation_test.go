package firewall

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestBootIsAskedAgain: a boot_id that could not be read once is read the next time.
func TestBootIsAskedAgain(t *testing.T) {
	t.Setenv(bootEnv, "")
	knownBoot.Store(nil)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	without := Boot()
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if without != "" {
		t.Fatalf("without a descriptor the boot is %q", without)
	}
	if Boot() == "" {
		t.Error("the boot is unknown for good")
	}
}
