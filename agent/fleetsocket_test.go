package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/testskip"
)

// TestReadCreds: the credentials are taken from a file of root's alone. Nothing else holds the agent up.
func TestReadCreds(t *testing.T) {
	testskip.UnlessNamespaces(t)
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path(name), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("good", "the credentials", 0o600)
	write("group", "the credentials", 0o640)
	write("world", "the credentials", 0o644)
	write("written", "the credentials", 0o660)
	write("full", strings.Repeat("x", maxCreds), 0o600)
	write("large", strings.Repeat("x", maxCreds+1), 0o600)
	if err := unix.Mkfifo(path("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path("world"), path("link")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"good": "", "group": "", "full": "", "none": "does not exist: have the operator", "world": "chmod 600", "written": "chmod 600", "large": "65537 bytes",
		"link": "chmod 600", "fifo": "is no regular file", ".": "is no regular file",
	} {
		text, trouble := readCreds(config.Fleet{Creds: path(name)})
		switch {
		case want == "" && (trouble != nil || text == ""):
			t.Errorf("%s: %v", name, trouble)
		case want != "" && (trouble == nil || !strings.Contains(trouble.Error+": "+trouble.Remedy, want) || text != ""):
			t.Errorf("%s: %q, %v, not %s", name, text, trouble, want)
		}
	}
}

// TestInstance: it stays the same, and is another one in another network.
func TestInstance(t *testing.T) {
	if first, again := instance(), instance(); first != again || len(first) < 8 {
		t.Errorf("%q, %q", first, again)
	}
}
