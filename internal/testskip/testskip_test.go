package testskip

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// asks are the calls that are allowed only in a few places. A test that skips itself may
// skip for root, too, and a sleep hides a missing synchronization.
var asks = []struct {
	call    *regexp.Regexp
	allowed string
}{
	{regexp.MustCompile(`\b[tbf]\.Skip(f|Now)?\(`), "internal/testskip/"},
	{regexp.MustCompile(`\btime\.Sleep\(`), "logins/sshd.go"},
}

// TestNobodyElse searches all Go files for these calls.
func TestNobodyElse(t *testing.T) {
	root := os.DirFS(filepath.Join("..", ".."))
	files := 0
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		files++
		text, err := fs.ReadFile(root, path)
		for _, ask := range asks {
			if !strings.HasPrefix(path, ask.allowed) && ask.call.Match(text) {
				t.Errorf("%s has %s, which is for %s alone", path, ask.call.Find(text), ask.allowed)
			}
		}
		return err
	})
	if err != nil || files < 500 {
		t.Errorf("%d files were read: %v", files, err)
	}
}
