package firewall

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/iptables"
)

// TestListedOnce: rules are listed once as long as nobody changes one, both for ReadSure and for all
// answers of one moment. Each change, in either family, causes another listing.
func TestListedOnce(t *testing.T) {
	for _, b := range []Backend{NFT, Legacy} {
		t.Run(string(b), func(t *testing.T) {
			h := newHost(t, b)
			h.load(residents)
			log := h.countListings()
			listings := func() int {
				text, err := os.ReadFile(log)
				if err != nil {
					t.Fatal(err)
				}
				return strings.Count(string(text), "\n")
			}
			both := len(iptables.Families)

			sure, err := h.fw.ReadSure(t.Context())
			if err != nil || listings() != both {
				t.Fatalf("%d listings to be sure of rules that nobody changes (%v)", listings(), err)
			}
			now := AtOneMoment(t.Context())
			before := listings()
			for range 3 {
				saved, err := h.fw.Read(AtOneMoment(now))
				if err != nil || !saved[iptables.IPv4].SameRules(sure[iptables.IPv4]) || !saved[iptables.IPv6].SameRules(sure[iptables.IPv6]) {
					t.Fatalf("other rules (%v)", err)
				}
			}
			if n := listings() - before; n != both {
				t.Errorf("%d listings at one moment", n)
			}
			for _, f := range iptables.Families {
				before := listings()
				h.sh(words[f].Replace("IPT -A INPUT -s HOST -j DROP"))
				saved, err := h.fw.Read(now)
				if err != nil || listings() == before || len(saved[f].Rules("filter", "INPUT")) != len(sure[f].Rules("filter", "INPUT"))+1 {
					t.Errorf("%s: the new rule is not seen (%v)", f, err)
				}
			}
			for _, f := range iptables.Families {
				h.sh(words[f].Replace("IPT -A INPUT -p udp -j ACCEPT; IPT -t raw -A PREROUTING -j ACCEPT"))
			}
			h.sh("ip link set lo up")
			if _, err := h.fw.Read(now); err != nil {
				t.Fatal(err)
			}
			for _, to := range []string{"127.0.0.1:5060", "[::1]:5060"} {
				conn, err := net.Dial("udp", to)
				if err != nil {
					t.Fatal(err)
				}
				conn.Write([]byte("x"))
				conn.Close()
			}
			before = listings()
			Renew(now)
			renewed, err := h.fw.Read(now)
			if err != nil || listings() != before {
				t.Errorf("counters cost %d listings (%v)", listings()-before, err)
			}
			fresh, err := h.fw.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			counted := 0
			for _, f := range iptables.Families {
				for _, at := range iptables.DropPlaces {
					got, want := renewed[f].Rules(at.Table, at.Chain), fresh[f].Rules(at.Table, at.Chain)
					if !slices.Equal(got, want) {
						t.Errorf("%s %v: renewed as %v, not %v", f, at, got, want)
					}
					for _, r := range want {
						counted += int(r.Packets)
					}
				}
			}
			if counted == 0 {
				t.Error("no rule has counted a packet")
			}
			before = listings()
			for range 2 {
				if _, err := h.fw.Read(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if n := listings() - before; n != 2*both {
				t.Errorf("%d listings at two moments", n)
			}
		})
	}
}

// TestBeginWithoutGeneration: where the kernel does not say whether rules have changed, a listing made
// beforehand would have to be made again, so none is.
func TestBeginWithoutGeneration(t *testing.T) {
	h := newHost(t, NFT)
	h.load(residents)
	log := h.countListings()
	deny(t, unix.SYS_GETSOCKOPT, unix.SO_NETNS_COOKIE, unix.ENOPROTOOPT) // as before Linux 5.14
	now := AtOneMoment(t.Context())
	defer EndMoment(now)
	h.fw.Begin(now)
	if _, err := h.fw.Read(now); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(log)
	if n := strings.Count(string(text), "\n"); err != nil || n != len(iptables.Families) || h.fw.Generation() != "" {
		t.Errorf("%d listings (%v)", n, err)
	}
}

// deny has this thread's calls of one kind with this third argument fail. The thread must be
// locked to the test for good.
func deny(t *testing.T, call, third uint32, errno unix.Errno) {
	t.Helper()
	const offsetNumber, offsetThird = 0, 16 + 2*8 // in struct seccomp_data; little endian
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	equal := func(k uint32, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jf: no}
	}
	filter := []unix.SockFilter{
		load(offsetNumber), equal(call, 3), load(offsetThird), equal(third, 1),
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&prog))); errno != 0 {
		t.Fatal("seccomp: ", errno)
	}
}

// countListings has the tools write a line into a file for each listing that the test causes.
func (h *host) countListings() (log string) {
	h.Helper()
	dir := h.TempDir()
	log = filepath.Join(dir, "log")
	for _, f := range iptables.Families {
		name := h.fw.tool(f, "save")
		program, err := findTool(name)
		if err != nil {
			h.Fatal(err)
		}
		script := "#!/bin/sh\necho >>" + log + "\nexec " + program + " \"$@\"\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			h.Fatal(err)
		}
	}
	h.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return log
}
