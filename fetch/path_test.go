package fetch

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// base returns the files' names within dir.
func base(dir string, f *Files) []string {
	names := []string{}
	for _, name := range f.names {
		names = append(names, strings.TrimPrefix(name, dir+"/"))
	}
	return names
}

// copyFiles stages the files, a part for each.
func copyFiles(f *Files, to *Staged) error {
	for part, r := range f.Parts() {
		to.Part(part.Name)
		if _, err := io.Copy(to, r); err != nil {
			return err
		}
	}
	return nil
}

func TestOpenPath(t *testing.T) {
	dir := t.TempDir()
	for _, f := range []string{
		"d/b.txt", "d/a", "d/.hidden", "d/a~", "d/a.bak", "d/a.swp", "d/a.dpkg-dist", "d/a.rpmsave", "d/a.tmp",
		"d/sub/below", "e/b.txt", "e/c", "odd/[x].txt", "odd/x.txt", "outside",
	} {
		writeFile(t, filepath.Join(dir, f), f)
	}
	err := errors.Join(
		os.Mkdir(filepath.Join(dir, "empty"), 0o755),
		os.Symlink("../outside", filepath.Join(dir, "d/c-link")),
		os.Symlink("../e", filepath.Join(dir, "d/d-link-to-folder")),
		os.Symlink("d", filepath.Join(dir, "link")),
	)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		pattern string
		want    []string // nil: ReasonAbsent
	}{
		{"outside", []string{"outside"}},
		{"d", []string{"d/a", "d/b.txt", "d/c-link"}},
		{"d/", []string{"d/a", "d/b.txt", "d/c-link"}},
		{"link", []string{"link/a", "link/b.txt", "link/c-link"}},
		{"empty", []string{}},
		{"d/*", []string{"d/a", "d/b.txt", "d/c-link"}},
		{"?/b.txt", []string{"d/b.txt", "e/b.txt"}},
		{"*/*/below", []string{"d/sub/below", "link/sub/below"}},
		{"[d-e]/[^a]*", []string{"d/b.txt", "d/c-link", "e/b.txt", "e/c"}},
		{"odd/[x].txt", []string{"odd/[x].txt"}}, // a file by exactly that name
		{"odd/[xy].txt", []string{"odd/x.txt"}},
		{`odd/\[x\].txt`, []string{"odd/[x].txt"}},
		{"d/a.bak", []string{"d/a.bak"}}, // asked for by name
		{"d/.hidden", []string{"d/.hidden"}},
		{"nowhere", nil},
		{"nowhere/x", nil},
		{"d/*.lst", nil},
		{"empty/*", nil},
		{"d/sub*", nil}, // matches only a folder
		{"outside/*", nil},
		{"*/*/*/*", nil},
		{"nowhere/*", nil},
	}
	for _, tt := range tests {
		for _, optional := range []bool{false, true} {
			f, err := OpenPath(dir+"/"+tt.pattern, optional, 0)
			if tt.want == nil && !optional {
				if e := wantReason(t, err, ReasonAbsent); !isAbsent(e) {
					t.Errorf("%s: %v does not wrap fs.ErrNotExist", tt.pattern, e)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", tt.pattern, err)
				continue
			}
			want := append([]string{}, tt.want...)
			if diff := cmp.Diff(want, base(dir, f)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.pattern, diff)
			}
		}
	}

	t.Chdir(dir)
	if f, err := OpenPath("d/a", false, 0); err != nil || f.names[0] != filepath.Join(dir, "d/a") {
		t.Errorf("a relative path: got %v, %v", f, err)
	}
}

// TestOpenPathRefused: a path that exists and cannot be read is an error, optional or
// not.
func TestOpenPathRefused(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "file"), "")
	for _, d := range []string{"fifo", "dangling", "loop", "socket"} {
		writeFile(t, filepath.Join(dir, d, "a"), "")
	}
	err := errors.Join(
		unix.Mkfifo(filepath.Join(dir, "fifo/b"), 0o600),
		os.Symlink("nowhere", filepath.Join(dir, "dangling/b")),
		os.Symlink("b", filepath.Join(dir, "loop/b")),
	)
	fd, err2 := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	t.Chdir(dir)
	if err := errors.Join(err, err2, unix.Bind(fd, &unix.SockaddrUnix{Name: "socket/b"}), unix.Close(fd)); err != nil {
		t.Fatal(err)
	}
	tests := map[string]Reason{
		"":           ReasonAbsent,
		"fifo":       ReasonNotRegular,
		"fifo/b":     ReasonNotRegular,
		"fifo/*":     ReasonNotRegular,
		"socket":     ReasonNotRegular,
		"/dev/null":  ReasonNotRegular,
		"/dev/nul*":  ReasonNotRegular,
		"dangling":   ReasonUnreadable,
		"dangling/b": ReasonUnreadable,
		"dangling/*": ReasonUnreadable,
		"loop/b":     ReasonUnreadable,
		"file/x":     ReasonUnreadable,
		"a\x00b":     ReasonUnreadable,
		"d/[":        ReasonAbsent, // a broken glob
		"[/x":        ReasonAbsent,
	}
	for pattern, want := range tests {
		for _, optional := range []bool{false, true} {
			_, err := OpenPath(pattern, optional, 0)
			e := wantReason(t, err, want)
			if strings.Contains(pattern, "fifo") && e.Object != filepath.Join(dir, "fifo/b") {
				t.Errorf("%s: the error names %s", pattern, e.Object)
			}
		}
	}
}

func TestPathUnreadable(t *testing.T) {
	dir := t.TempDir()
	for d := dir; d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(dir, "some/a"), "192.0.2.1\n")
	writeFile(t, filepath.Join(dir, "some/b"), "192.0.2.2\n")
	writeFile(t, filepath.Join(dir, "none/a"), "192.0.2.3\n")
	if err := errors.Join(os.Chmod(filepath.Join(dir, "some/b"), 0), os.Chmod(filepath.Join(dir, "none"), 0)); err != nil {
		t.Fatal(err)
	}
	asNobody(t, func() {
		for _, pattern := range []string{"none", "none/a", "none/*", "*/a", "no*/a"} {
			var e *fetchError
			if _, err := OpenPath(filepath.Join(dir, pattern), true, 0); !errors.As(err, &e) || e.Reason != ReasonUnreadable || !errors.Is(e, unix.EACCES) {
				t.Errorf("%s: got %v, want EACCES", pattern, err)
			}
		}
		f, err := OpenPath(filepath.Join(dir, "some"), false, 0)
		if err != nil {
			t.Error(err)
			return
		}
		var got []string
		for part, r := range f.Parts() {
			b, err := io.ReadAll(r)
			var e *fetchError
			if errors.As(err, &e) && errors.Is(e, unix.EACCES) && e.Object == part.Name {
				got = append(got, string(e.Reason))
			} else {
				got = append(got, string(b))
			}
		}
		if diff := cmp.Diff([]string{"192.0.2.1\n", "unreadable"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	if err := os.Chmod(filepath.Join(dir, "none"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// TestPathReadError: a read error is returned. /proc/self/mem is a regular file whose
// first page cannot be read.
func TestPathReadError(t *testing.T) {
	f, err := OpenPath("/proc/self/mem", false, 0)
	if err != nil {
		t.Fatal(err)
	}
	st := stage(t, openStore(t), "local")
	e := wantReason(t, copyFiles(f, st), ReasonUnreadable)
	if !errors.Is(e, unix.EIO) {
		t.Errorf("got %v, want EIO", e)
	}
}

// TestPathChangesBeforeRead: a file is checked again when it is read.
func TestPathChangesBeforeRead(t *testing.T) {
	changes := map[string]struct {
		change func(path string) error
		reason Reason
	}{
		"gone": {os.Remove, ReasonAbsent},
		"FIFO": {func(path string) error { return errors.Join(os.Remove(path), unix.Mkfifo(path, 0o600)) }, ReasonNotRegular},
		"grown": {func(path string) error {
			return os.WriteFile(path, make([]byte, 1000), 0o600)
		}, ReasonTooLarge},
	}
	for name, tt := range changes {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "list")
			writeFile(t, path, "192.0.2.1\n")
			f, err := OpenPath(dir, false, 100)
			if err != nil {
				t.Fatal(err)
			}
			if err := tt.change(path); err != nil {
				t.Fatal(err)
			}
			err = copyFiles(f, stage(t, openStore(t), "local"))
			if e := wantReason(t, err, tt.reason); e.Object != path {
				t.Errorf("the error names %s, want %s", e.Object, path)
			}
		})
	}
}

func TestPathCap(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a"), strings.Repeat("a", 10))
	writeFile(t, filepath.Join(dir, "b"), strings.Repeat("b", 10))
	for max, want := range map[int64]string{5: "aaaaa", 10: "aaaaaaaaaa", 19: "aaaaaaaaaabbbbbbbbb", 20: "aaaaaaaaaabbbbbbbbbb", 1 << 62: "aaaaaaaaaabbbbbbbbbb"} {
		f, err := OpenPath(dir, false, max)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // each pass reads everything
			var got strings.Builder
			var last error
			for part, r := range f.Parts() {
				if part.Size != 10 {
					t.Errorf("%s has size %d", part.Name, part.Size)
				}
				if _, err := io.Copy(&got, r); err != nil {
					last = err
				}
			}
			if got.String() != want {
				t.Errorf("cap %d: read %q, want %q", max, got.String(), want)
			}
			if max < 20 {
				wantReason(t, last, ReasonTooLarge)
			} else if last != nil {
				t.Errorf("cap %d: %v", max, last)
			}
		}
	}
}

func TestStageFiles(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a"), "192.0.2.1") // no newline at the end
	writeFile(t, filepath.Join(dir, "b"), "192.0.2.2\n")
	f, err := OpenPath(dir, false, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := openStore(t)
	st := stage(t, s, "local")
	if err := copyFiles(f, st); err != nil {
		t.Fatal(err)
	}
	if err := st.Commit(Meta{Source: dir}); err != nil {
		t.Fatal(err)
	}
	body, meta, err := readCopy(s, "local")
	if err != nil || body != "192.0.2.1\n192.0.2.2\n" {
		t.Errorf("got %q, %v", body, err)
	}
	want := []Part{{filepath.Join(dir, "a"), 10}, {filepath.Join(dir, "b"), 10}}
	if diff := cmp.Diff(want, meta.Parts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
