package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestUncalledMethodsAreLeftOut: nothing in the program calls methods by names that are known only
// while it runs. Otherwise the linker keeps all exported methods of all types: 2.5 MB more on disk,
// and 2 MB more in the memory of each process.
func TestUncalledMethodsAreLeftOut(t *testing.T) {
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -dumpdep", "-o", filepath.Join(t.TempDir(), "voipbl"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	uses, err := build.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, uses[:min(len(uses), 4096)])
	}
	// The linker writes "USER -> USED", with marks. It knows main's own methods in any case.
	if !bytes.Contains(uses, []byte("main.main -> main.run")) {
		t.Fatalf("the linker does not tell what uses what: %s", uses[:min(len(uses), 4096)])
	}
	for line := range bytes.Lines(uses) {
		if bytes.HasSuffix(bytes.TrimSpace(line), []byte(" <ReflectMethod>")) {
			t.Errorf("calls methods by name: %s", line)
		}
	}
}
