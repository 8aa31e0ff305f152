package fetch

import (
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/voipbl/voipbl/internal/testskip"
	"golang.org/x/sys/unix"
)

// inMountNamespace runs the test again in a process with a mount namespace of its own,
// and reports whether this is that process.
func inMountNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv("VOIPBL_TEST_NAMESPACE") != "" {
		return true
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	child.Env = append(os.Environ(), "VOIPBL_TEST_NAMESPACE=1")
	// Its mounts are not visible outside, and end with the process.
	child.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 { // only root of a user namespace may mount
		child.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		child.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		child.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	out, err := child.CombinedOutput()
	if errors.Is(err, os.ErrPermission) || errors.Is(err, unix.ENOSPC) { // there may be none
		testskip.UnlessNamespaces(t)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

func mountStore(t *testing.T, options string) *Store {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options+",mode=0750"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	s, err := OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func wantOldCopy(t *testing.T, s *Store) {
	t.Helper()
	if body, _, err := readCopy(s, "voipbl"); err != nil || body != "old\n" {
		t.Errorf("the old copy is now %q, %v", body, err)
	}
	if diff := cmp.Diff([]string{"voipbl.list", "voipbl.state"}, files(t, s)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if st, err := s.State("voipbl"); err != nil || st.Failures != 1 {
		t.Errorf("the old state is now %+v, %v", st, err)
	}
}

func TestFullDisk(t *testing.T) {
	if !inMountNamespace(t) {
		return
	}
	for _, how := range []string{"write", "flush", "trailer"} {
		t.Run(how, func(t *testing.T) {
			s := mountStore(t, "size=256k")
			keep(t, s, "voipbl", "old\n")
			if err := s.SetState("voipbl", State{Failures: 1}); err != nil {
				t.Fatal(err)
			}
			st := stage(t, s, "voipbl")
			var err error
			switch how {
			case "write": // while it is written
				_, err = st.Write(make([]byte, 1<<20))
			case "flush": // when it is read back or committed
				st.Write(make([]byte, 220<<10))
				_, err = st.Write(make([]byte, 30<<10))
				if err == nil {
					_, err = io.ReadAll(st.section(0, st.size))
				}
			case "trailer":
				// Fill all free pages, so that not one byte more fits.
				var fs unix.Statfs_t
				if err := unix.Statfs(s.root.Name(), &fs); err != nil {
					t.Fatal(err)
				}
				if _, err := st.Write(make([]byte, int64(fs.Bfree)*fs.Bsize)); err != nil {
					t.Fatal(err)
				}
				if err := st.flush(); err != nil {
					t.Fatal(err)
				}
			}
			if how != "trailer" {
				e := wantReason(t, err, ReasonNoSpace)
				if !errors.Is(e, unix.ENOSPC) || e.Feed != "voipbl" {
					t.Errorf("got %v, want ENOSPC and the feed's name", e)
				}
			}
			if err := s.SetState("voipbl", State{Failures: 2}); err == nil {
				t.Error("a state was written where there is no room")
			}
			if e := wantReason(t, st.Commit(Meta{}), ReasonNoSpace); !errors.Is(e, unix.ENOSPC) {
				t.Errorf("got %v, want ENOSPC", e)
			}
			wantOldCopy(t, s)
			keep(t, s, "voipbl", "there is room again\n")
		})
	}
}

// TestFullDiskDownload: a download onto a full disk is not retried.
func TestFullDiskDownload(t *testing.T) {
	if !inMountNamespace(t) {
		return
	}
	s := mountStore(t, "size=64k")
	srv := serve(t, "https", func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 100<<10)) })
	_, err := client(t, srv).Get(t.Context(), Request{Feed: "voipbl", URL: srv.URL}, stage(t, s, "voipbl"))
	if e := wantReason(t, err, ReasonNoSpace); e.Attempts != 1 || e.Object != s.path("voipbl.list") {
		t.Errorf("got %v after %d attempts, want one and the file's name", e, e.Attempts)
	}
}

func TestReadOnlyDisk(t *testing.T) {
	if !inMountNamespace(t) {
		return
	}
	s := mountStore(t, "size=256k")
	keep(t, s, "voipbl", "old\n")
	if err := s.SetState("voipbl", State{Failures: 1}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", s.root.Name(), "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	_, err := s.Stage("voipbl")
	if e := wantReason(t, err, ReasonStorage); !errors.Is(e, unix.EROFS) {
		t.Errorf("got %v, want EROFS", e)
	}
	if e := wantReason(t, s.SetState("voipbl", State{}), ReasonStorage); !errors.Is(e, unix.EROFS) {
		t.Errorf("got %v, want EROFS", e)
	}
	wantOldCopy(t, s)
	_, err = OpenStore(s.path("below"))
	wantReason(t, err, ReasonStorage)
}

func TestNoRights(t *testing.T) {
	s := openStore(t)
	keep(t, s, "voipbl", "old\n")
	if err := os.Chmod(s.root.Name(), 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(s.root.Name(), 0o700) }) // so that it can be removed
	asNobody(t, func() {
		var e *fetchError
		if _, err := s.Stage("voipbl"); !errors.As(err, &e) || e.Reason != ReasonStorage || !errors.Is(e, unix.EACCES) {
			t.Errorf("got %v, want EACCES", err)
		}
	})
	if body, _, err := readCopy(s, "voipbl"); err != nil || body != "old\n" {
		t.Errorf("the old copy is now %q, %v", body, err)
	}
}
