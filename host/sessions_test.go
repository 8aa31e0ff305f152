package host

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/voipbl/voipbl/internal/testvalue"
)

func TestLogindPeers(t *testing.T) {
	dir := t.TempDir()
	// As systemd 252 writes them.
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
