package procself_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/procself"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testskip"
)

// TestName: the folder has the network namespace of the calling thread, also if that has left the
// namespace of the process.
func TestName(t *testing.T) {
	testskip.UnlessNamespaces(t)
	runtime.LockOSThread()
	check := func(where string) {
		t.Helper()
		thread, err := os.Readlink("/proc/thread-self/ns/net")
		named, errN := os.Readlink("/proc/" + procself.Name() + "/ns/net")
		if err != nil || errN != nil {
			t.Fatal(err, errN)
		}
		if named != thread {
			t.Errorf("%s: %s is in %s, and the thread in %s", where, procself.Name(), named, thread)
		}
	}
	check("as the process begins")
	testns.Enter(t)
	check("in another namespace")
}

// TestNobodyLeaves: no thread of voipbl leaves the network namespace in which it began.
func TestNobodyLeaves(t *testing.T) {
	leaves := regexp.MustCompile(`\b(Setns|Unshare)\(|"github.com/vishvananda/netns"`)
	looked := 0
	err := filepath.WalkDir("../..", func(path string, e fs.DirEntry, err error) error {
		name := e.Name()
		switch {
		case err != nil:
			return err
		case e.IsDir() && name != ".." && (name == "tools" || strings.HasPrefix(name, "test") || strings.HasPrefix(name, ".")):
			return fs.SkipDir
		case e.IsDir(), !strings.HasSuffix(name, ".go"), strings.HasSuffix(name, "_test.go"):
			return nil
		}
		looked++
		text, err := os.ReadFile(path)
		if found := leaves.Find(text); found != nil {
			t.Errorf("%s: %s", path, found)
		}
		return err
	})
	if err != nil || looked < 100 {
		t.Errorf("%d files were read: %v", looked, err)
	}
}
