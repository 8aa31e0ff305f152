// Package testbuild builds the program for the tests of a package that run it, once and
// with the flags of the .deb: what starts is what users start, and takes half of the time
// of a test program that plays its role.
package testbuild

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Program is the file, while the tests run. Its folder comes first in PATH.
var Program string

// M are the tests of a package, as TestMain has them.
type M struct{ *testing.M }

// Run builds the program, runs the tests, and takes the program away.
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
