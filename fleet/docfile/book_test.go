package docfile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fleet/document"
	"github.com/voipbl/voipbl/fleet/link"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/internal/testdocument"
)

// operator signs documents, and is the one that a configuration's host believes.
type operator struct {
	testdocument.Operator
	t   testing.TB
	cfg config.Config
}

func newOperator(t testing.TB) operator {
	t.Helper()
	o := operator{Operator: testdocument.New(t), t: t}
	dir := t.TempDir()
	for _, folder := range []string{"run", "state"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	o.cfg = o.config(dir)
	return o
}

// config is that of a host with folders below dir.
func (o operator) config(dir string) config.Config {
	o.t.Helper()
	cfg, err := config.Parse("c", fmt.Appendf(nil, "run_dir: %[1]s/run\nstate_dir: %[1]s/state\n%s", dir, o.Config()))
	if err != nil {
		o.t.Fatal(err)
	}
	return cfg
}

func (o operator) take(text []byte) (bool, error) {
	o.t.Helper()
	_, changed, unkept, err := Take(context.Background(), o.cfg, "test", time.Minute, text)
	if err == nil && unkept != nil {
		o.t.Errorf("not in the state folder: %v", unkept)
	}
	return changed, err
}

// TestTake: the newest document that the operator has signed counts, also when the program begins
// anew, and no older one takes its place.
func TestTake(t *testing.T) {
	o := newOperator(t)
	if b := Read(o.cfg); b.Serial != 0 || b.Problem() != nil {
		t.Errorf("before the first: %+v, %v", b.Document, b.Problem())
	}
	first, second := o.Sign("serial: 1\nallow: [203.0.113.1]"), o.Sign("serial: 2\nallow: [203.0.113.2]")
	for i, step := range []struct {
		text    []byte
		changed bool
		refused string
		serial  uint64
	}{
		{first, true, "", 1},
		{first, false, "", 1},
		{second, true, "", 2},
		{first, false, "older (serial 1) than the newest one that this host has seen (2)", 2},
		{o.Sign("serial: 2\nallow: [0.1.2.3]"), false, "another document with the serial of the newest", 2},
		{second, false, "", 2},
		{[]byte("{}"), false, document.ErrForm.Error(), 2},
		{newOperator(t).Sign("serial: 3"), false, document.ErrSignature.Error(), 2},
		{[]byte(strings.Replace(string(second), "{", `{"newer":1,`, 1)), false, "", 2},
	} {
		changed, err := o.take(step.text)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if changed != step.changed || (step.refused == "") != (err == nil) || !strings.Contains(text, step.refused) {
			t.Errorf("step %d: changed %t, %v", i, changed, err)
		}
		if err != nil && (!errors.As(err, new(*refusedError)) || problem.Of(err).Remedy == "") {
			t.Errorf("step %d: %v has no remedy", i, err)
		}
		b := Read(o.cfg)
		if b.Serial != step.serial || b.Problem() != nil || b.Allow[0].String() != fmt.Sprintf("203.0.113.%d", step.serial) {
			t.Errorf("step %d: %+v, %v", i, b.Document, b.Problem())
		}
	}
	// After a boot the run folder is empty.
	if err := os.RemoveAll(o.cfg.RunDir); err != nil {
		t.Fatal(err)
	}
	if b := Read(o.cfg); b.Serial != 2 || b.Problem() != nil {
		t.Errorf("after a boot: %+v, %v", b.Document, b.Problem())
	}
	if _, err := o.take(first); err == nil {
		t.Error("after a boot an old document is taken")
	}
}

// TestOff: without a hub or a key no document counts, and none is read.
func TestOff(t *testing.T) {
	o := newOperator(t)
	if _, err := o.take(o.Sign("serial: 1")); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*config.Config){
		"no hub": func(cfg *config.Config) { cfg.Fleet.Hubs = nil },
		"no key": func(cfg *config.Config) { cfg.Fleet.Key = config.DocumentKey{} },
	} {
		cfg := o.cfg
		change(&cfg)
		if b := Read(cfg); b.Serial != 0 || b.Problem() != nil {
			t.Errorf("%s: %+v, %v", what, b.Document, b.Problem())
		}
	}
	other := newOperator(t).config(filepath.Dir(o.cfg.RunDir))
	if b := Read(other); b.Serial != 0 || b.Problem() == nil {
		t.Errorf("another key: %+v, %v", b.Document, b.Problem())
	}
}

// TestCopies: one copy is enough, the other one is written again, and damage is said only if no copy counts.
func TestCopies(t *testing.T) {
	ctx := context.Background()
	spoil := map[string]func(path string) error{
		"lost":      os.Remove,
		"cut short": func(path string) error { return os.Truncate(path, 40) },
		"empty":     func(path string) error { return os.Truncate(path, 0) },
		"changed": func(path string) error {
			text, err := os.ReadFile(path)
			return errors.Join(err, os.WriteFile(path, bytes.Replace(text, []byte("ey"), []byte("fy"), 1), 0o600))
		},
		"a folder":  func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
		"a link":    func(path string) error { return errors.Join(os.Remove(path), os.Symlink("/etc/passwd", path)) },
		"too large": func(path string) error { return os.Truncate(path, 9<<20) },
	}
	for what, harm := range spoil {
		for i := range 2 {
			o := newOperator(t)
			text := o.Sign("serial: 7")
			if _, err := o.take(text); err != nil {
				t.Fatal(err)
			}
			path := func(i int) string { return filepath.Join(folders(o.cfg)[i], File+".json") }
			if err := harm(path(i)); err != nil {
				t.Fatal(err)
			}
			if b := Read(o.cfg); b.Serial != 7 || (b.Problem() != nil) != (i == 1) {
				t.Errorf("%s in %d: serial %d, %v", what, i, b.Serial, b.Problem())
			}
			if what != "a folder" { // which no file replaces
				if err := Keep(ctx, o.cfg, "test", time.Minute); err != nil || Read(o.cfg).lacks != [2]bool{} {
					t.Errorf("%s in %d is not mended: %v", what, i, err)
				}
				if err := harm(path(i)); err != nil {
					t.Fatal(err)
				}
			}
			if err := harm(path(1 - i)); err != nil {
				t.Fatal(err)
			}
			if b := Read(o.cfg); b.Serial != 0 || (b.Problem() != nil) != (what != "lost") {
				t.Errorf("%s in both: serial %d, %v", what, b.Serial, b.Problem())
			}
			if what == "a folder" {
				if _, err := o.take(text); err == nil {
					t.Error("it is taken, and written nowhere")
				}
				continue
			}
			if changed, err := o.take(text); !changed || err != nil {
				t.Errorf("%s in both: it does not come again: %v", what, err)
			}
		}
	}
}

// TestFullDisk: a document that cannot be written into the state folder counts until the next boot, which
// is said, and is written once there is room.
func TestFullDisk(t *testing.T) {
	o := newOperator(t)
	if err := os.Remove(o.cfg.StateDir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.cfg.StateDir, nil, 0o600); err != nil { // so that there is no such folder, for root too
		t.Fatal(err)
	}
	b, changed, unkept, err := Take(context.Background(), o.cfg, "test", time.Minute, o.Sign("serial: 7"))
	if b.Serial != 7 || !changed || unkept == nil || err != nil {
		t.Errorf("serial %d, %t, %v, %v", b.Serial, changed, unkept, err)
	}
	if b := Read(o.cfg); b.Serial != 7 || b.Problem() == nil || b.Problem().Reason != "not-written-down" {
		t.Errorf("serial %d, %v", b.Serial, b.Problem())
	}
	if err := errors.Join(os.Remove(o.cfg.StateDir), os.Mkdir(o.cfg.StateDir, 0o750)); err != nil {
		t.Fatal(err)
	}
	if err := Keep(context.Background(), o.cfg, "test", time.Minute); err != nil || Read(o.cfg).Problem() != nil {
		t.Errorf("%v, %v", err, Read(o.cfg).Problem())
	}
}

// TestServe: what the process that talks with the hub can do is to bring the operator's own documents.
func TestServe(t *testing.T) {
	o := newOperator(t)
	changed := 0
	var refused *problem.Problem
	s := &Server{
		Cfg: func() config.Config { return o.cfg }, Changed: func(Book) { changed++ },
		Judged: func(p *problem.Problem) { refused = p },
	}
	post := func(body []byte) (code int, a link.DocumentAnswer) {
		w := httptest.NewRecorder()
		s.Serve(w, httptest.NewRequest(http.MethodPost, link.DocumentPath, bytes.NewReader(body)))
		if w.Code == http.StatusOK {
			if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
				t.Fatal(err)
			}
		}
		return w.Code, a
	}
	send := func(text []byte) link.DocumentAnswer {
		body, err := json.Marshal(link.Document{Signed: text})
		if err != nil {
			t.Fatal(err)
		}
		code, a := post(body)
		if code != http.StatusOK {
			t.Fatalf("%d", code)
		}
		return a
	}
	good, old := o.Sign("serial: 2"), o.Sign("serial: 1")
	if a := send(good); a.Serial != 2 || a.Refused+a.Problem != "" || a.Undone || changed != 1 || refused != nil {
		t.Errorf("%+v, changed %d, %v", a, changed, refused)
	}
	for what, text := range map[string][]byte{
		"an old one":       old,
		"of somebody else": newOperator(t).Sign("serial: 3"),
		"nothing":          nil,
		"too long":         bytes.Repeat([]byte(" "), document.MaxSigned+1),
		"good and longer":  append(bytes.Clone(good), bytes.Repeat([]byte(" "), document.MaxSigned+1-len(good))...),
	} {
		a := send(text)
		if a.Serial != 2 || a.Refused == "" || a.Undone || changed != 1 || refused == nil {
			t.Errorf("%s: %+v, changed %d, %v", what, a, changed, refused)
		}
		if a := send(good); a.Refused+a.Problem != "" || changed != 1 || refused != nil {
			t.Errorf("after %s: %+v, %v", what, a, refused)
		}
	}
	if a := send(append(bytes.Clone(good), bytes.Repeat([]byte(" "), document.MaxSigned-len(good))...)); a.Refused != "" {
		t.Errorf("as long as may be: %s", a.Refused)
	}
	for what, body := range map[string][]byte{
		"no JSON":      []byte("serial: 1"),
		"a list":       []byte("[]"),
		"no base64":    []byte(`{"signed":"?"}`),
		"far too long": append([]byte(`{"signed":"`), bytes.Repeat([]byte("A"), 1<<20)...),
		"nothing":      nil,
	} {
		if code, _ := post(body); code != http.StatusBadRequest {
			t.Errorf("%s: %d", what, code)
		}
	}
	o.cfg.Fleet.Key = config.DocumentKey{}
	if code, _ := post([]byte(`{"signed":""}`)); code != http.StatusConflict {
		t.Errorf("without a key: %d", code)
	}
}

// BenchmarkRead is what each look at who is exempt costs with a large document.
func BenchmarkRead(b *testing.B) {
	o := newOperator(b)
	var text strings.Builder
	text.WriteString("serial: 7\nallow:\n")
	for i := range document.MostAllow {
		fmt.Fprintf(&text, "- 203.%d.%d.0/24\n", i/200, i%200)
	}
	text.WriteString("hosts:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "- site%d_pbx%d\n", i, i)
	}
	if _, err := o.take(o.Sign(text.String())); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if Read(o.cfg).Serial != 7 {
			b.Fatal("it is not read")
		}
	}
}
