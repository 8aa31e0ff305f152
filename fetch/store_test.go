package fetch

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/voipbl/voipbl/internal/testskip"
	"golang.org/x/sys/unix"
)

func TestNames(t *testing.T) {
	s := openStore(t)
	for _, name := range []string{"", ".", "..", ".x", "a/b", "../x", "/x", "A", "a b", "a\n", "a\x00", "é", strings.Repeat("a", 201)} {
		if _, err := s.Stage(name); err == nil {
			t.Errorf("Stage(%q) is accepted", name)
		}
		if _, err := s.Open(name); err == nil {
			t.Errorf("Open(%q) is accepted", name)
		}
		if _, err := s.State(name); err == nil {
			t.Errorf("State(%q) is accepted", name)
		}
		if err := s.WriteJSON(name, 1); err == nil {
			t.Errorf("WriteJSON(%q) is accepted", name)
		}
	}
	for _, name := range []string{"voipbl", "a.list", "-", "_", "0", "a..b", strings.Repeat("a", 200)} {
		keep(t, s, name, name)
		if body, _, err := readCopy(s, name); err != nil || body != name {
			t.Errorf("%q: got %q, %v", name, body, err)
		}
	}
}

func TestOpenStore(t *testing.T) {
	old := unix.Umask(0o022)
	defer unix.Umask(old)
	dir := filepath.Join(t.TempDir(), "lib", "voipbl", "feeds")
	for range 2 {
		s, err := OpenStore(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	for path, want := range map[string]os.FileMode{dir: 0o750, filepath.Dir(dir): 0o755} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
	}
	for _, mode := range []os.FileMode{0o770, 0o757, 0o777} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		_, err := OpenStore(dir)
		wantReason(t, err, ReasonStorage)
	}
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, "")
	_, err := OpenStore(file)
	wantReason(t, err, ReasonStorage)
	_, err = OpenStore(filepath.Join(file, "x"))
	wantReason(t, err, ReasonStorage)
}

// TestOpenStoreOfAnother refuses a folder that another user could write to.
func TestOpenStoreOfAnother(t *testing.T) {
	testskip.UnlessRoot(t)
	theirs := filepath.Join(t.TempDir(), "theirs")
	if err := errors.Join(os.Mkdir(theirs, 0o755), os.Chown(theirs, 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	_, err := OpenStore(theirs)
	wantReason(t, err, ReasonStorage)
}

// TestPlanted: links, FIFOs and the like that are planted in the folder are refused,
// and no open waits for them.
func TestPlanted(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	plants := map[string]func(path string) error{
		"link outside":  func(path string) error { return os.Symlink(outside, path) },
		"link inside":   func(path string) error { return os.Symlink("other.list", path) },
		"dangling link": func(path string) error { return os.Symlink("nowhere", path) },
		"link to self":  func(path string) error { return os.Symlink(filepath.Base(path), path) },
		"FIFO":          func(path string) error { return unix.Mkfifo(path, 0o600) },
		"folder":        func(path string) error { return os.Mkdir(path, 0o755) },
		"socket": func(path string) error {
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			t.Chdir(filepath.Dir(path)) // a socket's path is short
			return unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Base(path)})
		},
	}
	for name, plant := range plants {
		t.Run(name, func(t *testing.T) {
			s := openStore(t)
			keep(t, s, "other", "other\n")
			writeFile(t, outside, "precious\n")
			for _, file := range []string{"voipbl.list", "voipbl.state", "voipbl.json"} {
				if err := plant(s.path(file)); err != nil {
					t.Fatal(err)
				}
			}
			_, openErr := s.Open("voipbl")
			_, stateErr := s.State("voipbl")
			jsonErr := s.ReadJSON("voipbl", new(any))
			for _, err := range []error{openErr, stateErr, jsonErr} {
				var damaged *DamagedError
				if !errors.As(err, &damaged) || damaged.Remedy() == "" {
					t.Errorf("got %v, want a *DamagedError", err)
				}
			}
			st := stage(t, s, "voipbl")
			io.WriteString(st, "new\n")
			commitErr, stateErr := st.Commit(Meta{}), s.SetState("voipbl", State{Failures: 1})
			if name == "folder" { // a rename cannot replace a folder
				wantReason(t, commitErr, ReasonStorage)
				wantReason(t, stateErr, ReasonStorage)
			} else if commitErr != nil || stateErr != nil {
				t.Errorf("%v, %v", commitErr, stateErr)
			} else if body, _, err := readCopy(s, "voipbl"); err != nil || body != "new\n" {
				t.Errorf("got %q, %v", body, err)
			}
			if body, _, err := readCopy(s, "other"); err != nil || body != "other\n" {
				t.Errorf("the other copy is now %q, %v", body, err)
			}
			if b, _ := os.ReadFile(outside); string(b) != "precious\n" {
				t.Errorf("the file outside is now %q", b)
			}
			for _, f := range files(t, s) {
				if f[0] == '.' {
					t.Errorf("%s is left behind", f)
				}
			}
		})
	}
}

func TestSweep(t *testing.T) {
	s := openStore(t)
	outside := filepath.Join(t.TempDir(), "outside")
	writeFile(t, outside, "precious\n")
	keep(t, s, "voipbl", "kept\n")
	if err := errors.Join(s.SetState("voipbl", State{}), s.WriteJSON("names", 1)); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{listSuffix, stateSuffix, jsonSuffix} { // as a killed run leaves them
		temp, err := s.create("voipbl" + suffix)
		if err != nil {
			t.Fatal(err)
		}
		temp.File.Close()
		if old := time.Now().Add(-2 * writing); suffix == jsonSuffix {
			if err := os.Chtimes(temp.Name(), old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Another process may still be writing this one.
	busy, err := s.create("busy" + jsonSuffix)
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Cleanup()
	if err := os.Symlink(outside, s.path(".voipbl.list1")); err != nil {
		t.Fatal(err)
	}
	foreign := []string{".hidden", ".voipbl.list", ".voipbl.list1x", ".voipbl.swp1", "voipbl.list1"}
	for _, f := range foreign {
		writeFile(t, s.path(f), "")
	}
	if err := os.Mkdir(s.path(".voipbl.list2"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := s.Sweep(); err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Base(busy.Name()), ".hidden", ".voipbl.list", ".voipbl.list1x", ".voipbl.list2", ".voipbl.swp1", "names.json", "voipbl.list", "voipbl.list1", "voipbl.state"}
	slices.Sort(want)
	if diff := cmp.Diff(want, files(t, s)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if b, _ := os.ReadFile(outside); string(b) != "precious\n" {
		t.Errorf("the file outside is now %q", b)
	}
}

func TestRemove(t *testing.T) {
	s := openStore(t)
	keep(t, s, "list", "8.8.8.8\n")
	for range 2 { // the second time there is nothing to remove
		if err := s.Remove("list"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Open("list"); !isAbsent(err) {
			t.Errorf("open: %v", err)
		}
	}
	if err := s.Remove("../list"); err == nil {
		t.Error("a name that leads out of the folder is taken")
	}
}

// TestPutAside: a copy that was put aside stays unchanged while newer copies come.
func TestPutAside(t *testing.T) {
	s := openStore(t)
	for _, body := range []string{"8.8.8.8\n", "8.8.4.4\n"} {
		keep(t, s, "list", body)
		if err := s.PutAside("list", "_past.list"); err != nil {
			t.Fatal(err)
		}
		keep(t, s, "list", "1.1.1.1\n")
		if got, _, err := readCopy(s, "_past.list"); got != body || err != nil {
			t.Errorf("%q, %v, want %q", got, err, body)
		}
	}
	if got, _, err := readCopy(s, "list"); got != "1.1.1.1\n" || err != nil {
		t.Errorf("the copy is %q, %v", got, err)
	}
	for _, name := range []string{"other", "../list"} {
		if err := s.PutAside(name, "_past.other"); err == nil {
			t.Errorf("%s is put aside", name)
		}
	}
}
