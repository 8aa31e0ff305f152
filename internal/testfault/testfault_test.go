package testfault

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain is also the launcher, and a program that writes files.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case Launcher:
		Launch()
	case "writer":
		os.Exit(writer(os.Args[1]))
	}
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	for _, name := range []string{Launcher, "writer"} {
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
			panic(err)
		}
	}
	os.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// writer writes three files, possibly from several threads, and runs a tool. It returns
// how many of these failed.
func writer(dir string) (failed int) {
	for _, name := range []string{"a", "b", "c"} {
		if os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600) != nil {
			failed++
		}
	}
	if exec.Command("true").Run() != nil {
		failed += 10
	}
	return failed
}

func TestFault(t *testing.T) {
	for _, test := range []struct {
		fault Fault
		code  int
		what  string // end of the description of the failed call
	}{
		{Fault{}, 0, ""},
		{Fault{Kind: Write, N: 2, Errno: unix.ENOSPC}, 1, "/b"},
		{Fault{Kind: Write, N: 2, Errno: unix.ENOSPC, On: true}, 2, "/b"},
		{Fault{Kind: Write, N: 9, Errno: unix.ENOSPC}, 0, ""},
		// Go tests once whether it can get a pidfd of a child.
		{Fault{Kind: Fork, N: 1, Errno: unix.EAGAIN, On: true}, 10, "fork"},
		{Fault{Kind: Exec, N: 1, Errno: unix.ENOMEM}, 10, "/true"},
	} {
		dir := t.TempDir()
		cmd := New(test.fault, "writer", dir)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != test.code {
			t.Errorf("%s: exit %d, want %d", test.fault, code, test.code)
		}
		if !strings.HasSuffix(cmd.Failed(), test.what) || (test.what == "") != (cmd.Failed() == "") {
			t.Errorf("%s: %q failed", test.fault, cmd.Failed())
		}
		if n := cmd.Calls(Write); n != 3 {
			t.Errorf("%s: %d writes", test.fault, n)
		}
	}
}
