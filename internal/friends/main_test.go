// Package friends_test is the table of friends and of the ways in which somebody is
// blocked, with packets: a friend is never cut off, on any way, and each way does
// block a stranger.
package friends_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// voipbl is the program, built once.
var voipbl string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "voipbl-friends")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	voipbl = filepath.Join(dir, "voipbl")
	if out, err := exec.Command("go", "build", "-o", voipbl, "../../cmd/voipbl").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build voipbl: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}
