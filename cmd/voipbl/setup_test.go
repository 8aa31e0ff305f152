package main

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/voipbl/voipbl/advise"
	"github.com/voipbl/voipbl/config"
)

// TestSetupKeepsWhatWasEditedMeanwhile: an answer may take as long as an edit of the
// file in another window, and what is written there is not lost.
func TestSetupKeepsWhatWasEditedMeanwhile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "voipbl.yaml")
	const old, edited, proposed = "set: voip_bl\n", "set: voip_bl\nallow: [9.9.9.9]\n", "set: voip_bl\nallow: [8.8.8.8]\n"
	for _, c := range []struct {
		name, was, now string // empty: there is no file
	}{
		{"edited", old, edited}, {"made", "", edited}, {"removed", old, ""},
	} {
		os.Remove(file)
		if c.now != "" {
			writeFile(t, file, c.now)
		}
		var out bytes.Buffer
		s := &setup{app: &app{out: newOutput(&out), err: newOutput(&out), configFile: file}}
		if c.was != "" {
			s.old = []byte(c.was)
		}
		err := s.putInForce(t.Context(), &advise.Proposal{Changed: true, Text: []byte(proposed), Config: config.Default()})
		if !errors.As(err, new(*editedError)) {
			t.Errorf("%s: %v", c.name, err)
		}
		if got, _ := os.ReadFile(file); string(got) != c.now {
			t.Errorf("%s: the file is now %q", c.name, got)
		}
		if found, _ := filepath.Glob(file + ".bak-*"); len(found) > 0 {
			t.Errorf("%s: there are %q", c.name, found)
		}
	}
}

// TestSetupWritesThroughLinks: a link stays one, and one that leads nowhere is told.
func TestSetupWritesThroughLinks(t *testing.T) {
	dir := t.TempDir()
	file, link, nowhere := filepath.Join(dir, "real.yaml"), filepath.Join(dir, "voipbl.yaml"), filepath.Join(dir, "nowhere.yaml")
	writeFile(t, file, "old")
	if err := errors.Join(os.Symlink(file, link), os.Symlink(filepath.Join(dir, "gone"), nowhere)); err != nil {
		t.Fatal(err)
	}
	backup, err := writeConfig(link, []byte("old"), []byte("new"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{file: "new", backup: "old"} {
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s has %q, %v", name, got, err)
		}
	}
	if target, err := os.Readlink(link); err != nil || target != file {
		t.Errorf("the link leads to %q, %v", target, err)
	}
	if _, err := writeConfig(nowhere, nil, []byte("new"), time.Now()); err == nil {
		t.Error("a link that leads nowhere was written over")
	}
}

// TestExampleNetwork: what is named as an example is none of the networks that are known.
func TestExampleNetwork(t *testing.T) {
	for _, c := range []struct {
		known []string
		want  string
	}{
		{nil, "192.168.1.0/24"},
		{[]string{"192.168.2.0/24", "fd00::/8"}, "192.168.1.0/24"},
		{[]string{"192.168.1.0/24"}, "10.20.30.0/24"},
		{[]string{"192.168.0.0/16", "10.0.0.0/8"}, "172.20.1.0/24"},
	} {
		var known []netip.Prefix
		for _, text := range c.known {
			known = append(known, netip.MustParsePrefix(text))
		}
		if got := exampleNetwork(known); got != c.want {
			t.Errorf("%v: %s, not %s", c.known, got, c.want)
		}
	}
}
