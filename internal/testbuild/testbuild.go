// Package testbuild builds voipbl once for the tests of a package that run it, with the
// flags of the .deb. So tests run the same program as users, and it starts twice as fast
// as a test binary that stands in for it.
package testbuild

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Program is the path of the program while the tests run. Its folder comes first in
// PATH.
var Program string

// M is the testing.M of TestMain.
type M struct{ *testing.M }

// Run builds the program, runs the tests and removes the program.
func (m M) Run() int {
	dir, err := os.MkdirTemp("", "voipbl-program")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	Program = filepath.Join(dir, "voipbl")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", Program, "github.com/voipbl/voipbl/cmd/voipbl")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build voipbl: %v\n%s", err, out)
		return 1
	}
	if err := os.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.M.Run()
}
