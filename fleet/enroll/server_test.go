package enroll

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/fleet/keys"
)

// TestServersOwn: a configuration of the server that somebody else has written is not written over.
func TestServersOwn(t *testing.T) {
	for _, c := range []struct {
		what, text string
		may        bool
	}{
		{"Debian's", "host: 127.0.0.1\nport: 4222\n", true},
		{"ours", keys.Marker + "\nanything", true},
		{"Debian's with a line more", "host: 127.0.0.1\nport: 4222\njetstream: true\n", false},
		{"somebody else's", "port: 4222\n", false},
		{"an empty one", "", false},
		{"one that has our mark in the middle", "port: 4222\n" + keys.Marker, false},
	} {
		root := t.TempDir()
		if err := errors.Join(os.MkdirAll(filepath.Join(root, "etc"), 0o755), os.WriteFile(filepath.Join(root, serverConf), []byte(c.text), 0o644)); err != nil {
			t.Fatal(err)
		}
		if err := serversOwn(root); (err == nil) != c.may {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	root := t.TempDir()
	if err := serversOwn(root); err != nil {
		t.Errorf("none: %v", err)
	}
	if err := errors.Join(os.MkdirAll(filepath.Join(root, "etc"), 0o755), os.Symlink("/etc/hostname", filepath.Join(root, serverConf))); err != nil {
		t.Fatal(err)
	}
	if err := serversOwn(root); err == nil {
		t.Error("a link is written over")
	}
}

func TestGroupOf(t *testing.T) {
	root := t.TempDir()
	if err := errors.Join(os.MkdirAll(filepath.Join(root, "etc"), 0o755), os.WriteFile(filepath.Join(root, "etc/group"), []byte("root:x:0:\nnatsy:x:7:\nnats:x:115:\nodd\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if gid, err := groupOf(root, "nats"); err != nil || gid != 115 {
		t.Errorf("nats: %d, %v", gid, err)
	}
	if gid, err := groupOf(root, "nat"); err == nil {
		t.Errorf("nat: %d", gid)
	}
	if _, err := natsGroup(t.Context(), root); err == nil || !strings.Contains(err.Error(), "nats-server is not installed") {
		t.Errorf("without the program: %v", err)
	}
}
