package asterisk

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/internal/probe"
)

func TestParseStatus(t *testing.T) {
	for text, want := range map[string]Account{
		"Name:\tasterisk\nUid:\t0\t997\t997\t997\nGid:\t0\t995\t995\t995\nGroups:\t20 29 \n": {997, []int{995, 20, 29}, true},
		"Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t \n":                                   {0, []int{0}, true},
		"Uid:\t0\t0\n": {},
		"":             {},
	} {
		if d := cmp.Diff(want, parseStatus(text)); d != "" {
			t.Errorf("%q: %s", text, d)
		}
	}
}

// TestAccountOf: that of a machine whose files are below a folder.
func TestAccountOf(t *testing.T) {
	for name, c := range map[string]struct {
		passwd, conf string
		want         Account
	}{
		"Debian":         {"root:x:0:0::/:\nasterisk:x:107:112:PBX:/:\n", "", Account{UID: 107, GIDs: []int{112}}},
		"another user":   {"asterisk:x:107:112::/:\npbx:x:500:501::/:\n", "[options]\nrunuser = pbx\n", Account{UID: 500, GIDs: []int{501}}},
		"no such user":   {"root:x:0:0::/:\n", "", Account{UID: os.Getuid(), GIDs: []int{os.Getgid()}}},
		"damaged passwd": {"asterisk:x:many\n", "", Account{UID: os.Getuid(), GIDs: []int{os.Getgid()}}},
	} {
		root := t.TempDir()
		for file, text := range map[string]string{"/etc/passwd": c.passwd, Folder + "/asterisk.conf": c.conf} {
			path := filepath.Join(root, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if d := cmp.Diff(c.want, AccountOf(probe.New(t.Context(), root))); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}
