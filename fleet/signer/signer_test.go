package signer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fleet/document"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/problem"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// desk is where an operator signs.
type desk struct {
	t      *testing.T
	dir    string
	public string
}

func newDesk(t *testing.T) desk {
	t.Helper()
	d := desk{t: t, dir: t.TempDir()}
	made, err := MakeKey(d.path("key"))
	if err != nil || !made.Made {
		t.Fatalf("%+v, %v", made, err)
	}
	d.public = made.Key
	return d
}

func (d desk) path(name string) string { return filepath.Join(d.dir, name) }

func (d desk) write(name, text string) {
	d.t.Helper()
	if err := os.WriteFile(d.path(name), []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d desk) read(name string) string {
	d.t.Helper()
	text, err := os.ReadFile(d.path(name))
	if err != nil {
		d.t.Fatal(err)
	}
	return string(text)
}

func (d desk) options() Options {
	return Options{Key: d.path("key"), Document: d.path("document.yaml"), Out: d.path("signed"), Now: now}
}

// TestMakeKey: a key is made once, for its owner alone, and stays.
func TestMakeKey(t *testing.T) {
	d := newDesk(t)
	text := d.read("key")
	if info, err := os.Stat(d.path("key")); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	again, err := MakeKey(d.path("key"))
	if err != nil || again.Made || again.Key != d.public || d.read("key") != text {
		t.Errorf("%+v, %v", again, err)
	}
	if _, err := config.Parse("c", []byte("fleet: {key: \""+d.public+"\"}\n")); err != nil {
		t.Errorf("no host takes it: %v", err)
	}
	d.write("other", "dear diary")
	if _, err := MakeKey(d.path("other")); err == nil || d.read("other") != "dear diary" {
		t.Errorf("another file: %v", err)
	}
	if err := os.Symlink(d.path("nowhere"), d.path("link")); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{d.path("none/key"), d.dir, d.path("link")} {
		if _, err := MakeKey(bad); err == nil || code(err) != exit.NotApplied {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if _, err := os.Lstat(d.path("nowhere")); !problem.IsAbsent(err) {
		t.Error("a link is followed")
	}
}

func code(err error) int {
	e, ok := errors.AsType[*exit.Error](err)
	if !ok {
		return -1
	}
	return e.Code
}

// TestSign: what is signed is what hosts take, and the operator is told what changes.
func TestSign(t *testing.T) {
	d := newDesk(t)
	d.write("document.yaml", "allow: [203.0.113.10]\ntrust: [acme]\n")
	dry := d.options()
	dry.DryRun = true
	if s, err := Sign(dry); err != nil || s.File != "" || !s.DryRun || len(s.Changes) != 2 {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := os.Lstat(d.path("signed")); !problem.IsAbsent(err) {
		t.Error("a dry run writes")
	}
	s, err := Sign(d.options())
	if err != nil || s.Serial != uint64(now.Unix()) || s.File != d.path("signed") || s.Last != "" || len(s.Changes) != 2 || s.Key != d.public {
		t.Fatalf("%+v, %v", s, err)
	}
	k, err := readKey(d.path("key"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := document.Verify([]byte(d.read("signed")), k.Public()); err != nil || got.Serial != s.Serial || got.Allow[0].String() != "203.0.113.10" {
		t.Errorf("%+v, %v", got, err)
	}

	d.write("document.yaml", "allow: [203.0.113.11]\ntrust: [acme]\n")
	before := d.read("signed")
	if _, err := Sign(d.options()); err == nil || !strings.Contains(err.Error(), "hosts take only documents with a larger one") || d.read("signed") != before {
		t.Errorf("in the same second: %v", err)
	}
	later := d.options()
	later.Now = now.Add(time.Second)
	s, err = Sign(later)
	if err != nil || s.Last != d.path("signed") || s.After != uint64(now.Unix()) || len(s.Changes) != 1 || s.Changes[0].String() != "allow: + 203.0.113.11, - 203.0.113.10" {
		t.Errorf("%+v, %v", s, err)
	}
	d.write("older", before)
	later.Last, later.Out, later.Now = d.path("older"), "", now.Add(time.Hour)
	if s, err := Sign(later); err != nil || s.After != uint64(now.Unix()) || s.File != "" || len(s.Text) == 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestNotSigned: whatever hosts would refuse is not signed, and no other file is overwritten.
func TestNotSigned(t *testing.T) {
	other := newDesk(t)
	other.write("document.yaml", "allow: []\n")
	if _, err := Sign(other.options()); err != nil {
		t.Fatal(err)
	}
	for what, test := range map[string]struct {
		change func(d desk, o *Options)
		want   string
		code   int
	}{
		"a mistake":        {func(d desk, o *Options) { d.write("document.yaml", "allow: [0.0.0.0/0]") }, `document.yaml:1:9: allow[0]: network too wide`, exit.Usage},
		"too many":         {func(d desk, o *Options) { d.write("document.yaml", "trunks: ["+strings.Repeat("1.2.3.4,", 201)+"]") }, "hosts would refuse it: trunks: too many elements (201)", exit.Usage},
		"no document":      {func(d desk, o *Options) { o.Document = d.path("none") }, "no such file", exit.NotApplied},
		"no key":           {func(d desk, o *Options) { o.Key = d.path("none") }, "no such file", exit.NotApplied},
		"another key file": {func(d desk, o *Options) { d.write("key", "secret") }, "no private key for documents", exit.NotApplied},
		"the public key":   {func(d desk, o *Options) { d.write("key", d.public) }, "no private key for documents", exit.NotApplied},
		"a key for all":    {func(d desk, o *Options) { os.Chmod(d.path("key"), 0o640) }, "others can read or change the operator's key", exit.NotApplied},
		"a FIFO": {func(d desk, o *Options) {
			o.Document = d.path("fifo")
			if err := unix.Mkfifo(o.Document, 0o600); err != nil {
				d.t.Fatal(err)
			}
		}, "it is no ordinary file", exit.NotApplied},
		"a folder":               {func(d desk, o *Options) { o.Document = d.dir }, "it is no ordinary file", exit.NotApplied},
		"a huge file":            {func(d desk, o *Options) { os.Truncate(d.path("document.yaml"), 2<<20) }, "it has more than 1048576 bytes", exit.NotApplied},
		"to the document itself": {func(d desk, o *Options) { o.Out = o.Document }, "is no signed document, and is not overwritten", exit.NotApplied},
		"to another's":           {func(d desk, o *Options) { d.write("signed", other.read("signed")) }, "is signed by another key", exit.NotApplied},
		"after another's":        {func(d desk, o *Options) { o.Last = other.path("signed") }, "is signed by another key", exit.NotApplied},
		"after none":             {func(d desk, o *Options) { o.Last = d.path("none") }, "no such file", exit.NotApplied},
		"after a mess":           {func(d desk, o *Options) { o.Last = d.path("document.yaml") }, "it is no signed document", exit.NotApplied},
		"to nowhere":             {func(d desk, o *Options) { o.Out = d.path("none/signed") }, "no such file", exit.NotApplied},
		"an old serial": {func(d desk, o *Options) {
			d.write("document.yaml", "serial: 7")
			if _, err := Sign(*o); err != nil {
				d.t.Fatal(err)
			}
		}, "has serial 7, and ", exit.NotApplied},
	} {
		d := newDesk(t)
		d.write("document.yaml", "allow: [203.0.113.10]\n")
		o := d.options()
		test.change(d, &o)
		before := map[string]string{}
		for _, name := range []string{"document.yaml", "signed"} {
			if text, err := os.ReadFile(d.path(name)); err == nil && len(text) < 1<<20 {
				before[name] = string(text)
			}
		}
		_, err := Sign(o)
		if err == nil || !strings.Contains(err.Error(), test.want) || code(err) != test.code {
			t.Errorf("%s: %v (code %d), not %s", what, err, code(err), test.want)
		}
		for name, text := range before {
			if d.read(name) != text {
				t.Errorf("%s: %s is changed", what, name)
			}
		}
	}
}

// TestSerial: a serial may be given, but not one that no host takes; and one that keeps later documents from being
// taken is signed with a warning.
func TestSerial(t *testing.T) {
	d := newDesk(t)
	day := uint64(now.Add(24 * time.Hour).Unix())
	for _, c := range []struct {
		text   string
		serial uint64
		want   uint64
		noted  bool
	}{
		{"", 0, uint64(now.Unix()), false},
		{"serial: 7", 0, 7, false},
		{"serial: 7", 8, 8, false},
		{"", day, day, false},
		{"", day + 1, day + 1, true},
		{"serial: 9007199254740991", 0, 1<<53 - 1, true},
	} {
		d.write("document.yaml", c.text+"\n")
		o := d.options()
		o.Out, o.Serial = "", c.serial
		s, err := Sign(o)
		if err != nil || s.Serial != c.want || (s.Note != "") != c.noted {
			t.Errorf("%q, %d: %+v, %v", c.text, c.serial, s, err)
		}
	}
	// What to do about one that is not larger depends on whose it is: the clock's, or the document's.
	for _, c := range []struct {
		text   string
		behind time.Duration // the clock, since the last one was signed
		want   string
	}{
		{"", time.Hour, "if the clock of this machine is behind ("},
		{"", time.Hour, fmt.Sprintf("sign with --serial %d,", now.Unix()+1)},
		{"serial: 7", -time.Hour, "leave \"serial\" out"},
		{"serial: 7", time.Hour, fmt.Sprintf("sign with --serial %d,", now.Unix()+1)},
	} {
		d.write("document.yaml", "")
		o := d.options()
		if err := os.Remove(o.Out); err != nil && !problem.IsAbsent(err) {
			t.Fatal(err)
		}
		if _, err := Sign(o); err != nil {
			t.Fatal(err)
		}
		d.write("document.yaml", c.text+"\n")
		o.Now = now.Add(-c.behind)
		_, err := Sign(o)
		if remedy := problem.RemedyOf(err); !strings.Contains(remedy, c.want) || c.text != "" && c.behind > 0 && strings.Contains(remedy, "leave") {
			t.Errorf("%q, %v: %q, want %q", c.text, c.behind, remedy, c.want)
		}
	}
	o := d.options()
	o.Serial = 1 << 53
	if s, err := Sign(o); err == nil {
		t.Errorf("%+v", s)
	}
}
