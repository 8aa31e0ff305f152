package logins

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testvalue"
)

func TestLogindPeers(t *testing.T) {
	dir := t.TempDir()
	// These are files as systemd 252 writes them.
	for name, text := range map[string]string{
		"1":  "# This is private data. Do not parse.\nUID=0\nUSER=root\nACTIVE=1\nREMOTE=1\nREMOTE_HOST=192.0.2.7\nSERVICE=sshd\nLEADER=100\n",
		"c2": "UID=1000\nREMOTE=1\nREMOTE_HOST=2001:db8::8\nLEADER=101\n",
		"3":  "UID=1000\nREMOTE=1\nREMOTE_HOST=192.0.2.9\nLEADER=102\n", // its process has gone
		"4":  "UID=1000\nREMOTE=0\nTTY=tty1\nLEADER=100\n",              // at the console
		"5":  "UID=1000\nREMOTE=1\nREMOTE_HOST=office.example.net\nLEADER=100\n",
		"6":  "", // not yet written
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("mkfifo", filepath.Join(dir, "1.ref")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	peers := logindPeers(dir, func(pid int) bool { return pid == 100 || pid == 101 })
	slices.SortFunc(peers, netip.Addr.Compare)
	if want := testvalue.Addrs("192.0.2.7", "2001:db8::8"); !slices.Equal(peers, want) {
		t.Errorf("got %v, want %v", peers, want)
	}
	if peers := logindPeers(filepath.Join(dir, "absent"), alive); peers != nil {
		t.Errorf("without a folder: %v", peers)
	}
}

func TestAlive(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if !alive(os.Getpid()) || alive(cmd.Process.Pid) || alive(0) || alive(-1) {
		t.Error("alive: this process not, or one that has ended, or none at all")
	}
}

// TestUtmp also checks the offsets against utmpdump of util-linux, which prints each record of a
// file.
func TestUtmp(t *testing.T) {
	record := func(layout utmpLayout, typ uint16, pid int32, addr netip.Addr) []byte {
		b := make([]byte, layout.size)
		binary.NativeEndian.PutUint16(b[utmpType:], typ)
		binary.NativeEndian.PutUint32(b[utmpPID:], uint32(pid))
		copy(b[layout.addr:], addr.AsSlice())
		return b
	}
	for _, layout := range []utmpLayout{{384, 348}, {400, 360}} {
		text := slices.Concat(
			record(layout, 2, 1, netip.MustParseAddr("192.0.2.1")),              // boot
			record(layout, userProcess, 10, netip.MustParseAddr("192.0.2.2")),   // logged in
			record(layout, userProcess, 11, netip.MustParseAddr("192.0.2.3")),   // crashed
			record(layout, userProcess, 12, netip.MustParseAddr("0.0.0.0")),     // at the console
			record(layout, userProcess, 13, netip.MustParseAddr("2001:db8::4")), // logged in
			[]byte("half a record"),
		)
		got := parseUtmp(text, layout, func(pid int) bool { return pid != 11 })
		if want := testvalue.Addrs("192.0.2.2", "2001:db8::4"); !slices.Equal(got, want) {
			t.Errorf("%+v: got %v, want %v", layout, got, want)
		}
	}
	utmpdump, err := exec.LookPath("utmpdump")
	if err != nil {
		t.Fatal("utmpdump of util-linux is needed: ", err)
	}
	cmd := exec.Command(utmpdump)
	cmd.Stdin = bytes.NewReader(record(utmpFormat(), userProcess, 10, netip.MustParseAddr("192.0.2.2")))
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), "[7] [00010]") || !strings.Contains(string(out), "[192.0.2.2") {
		t.Errorf("utmpdump reads our layout as %q, %v", out, err)
	}
}

func TestCallerConnections(t *testing.T) {
	proc, process := testvalue.Proc(t)
	process(1, 0, "init", "SSH_CONNECTION=192.0.2.1 1 192.0.2.2 22\x00")
	process(50, 1, "sshd", "A=b\x00")
	process(60, 50, "a) S 1 (b", "PATH=/bin\x00SSH_CONNECTION=2001:db8::7 50000 2001:db8::1 22\x00X=\x00")
	process(70, 60, "sudo", "PATH=/bin\x00")
	want := []Connection{{netip.MustParseAddrPort("[2001:db8::7]:50000"), netip.MustParseAddrPort("[2001:db8::1]:22"), 60 * time.Second}}
	if got := callerConnections(proc, 70); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	process(80, 80, "loop", "")
	if got := callerConnections(proc, 80); len(got) != 0 {
		t.Errorf("a loop gives %v", got)
	}
}
