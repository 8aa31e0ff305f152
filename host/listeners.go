package host

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/probe"
	"github.com/voipbl/voipbl/internal/procself"
)

// socketTables are the kernel's tables of sockets, of the calling thread's network namespace.
// family is that of a table that the kernel can also be asked for, or 0.
var socketTables = []struct {
	file, proto, state string
	family             uint8
}{
	{"tcp", "tcp", tcpListen, unix.AF_INET}, {"tcp6", "tcp", tcpListen, unix.AF_INET6}, {"udp", "udp", udpBound, 0}, {"udp6", "udp", udpBound, 0},
}

// findListeners lists the listening ports with their programs, and, by device, the programs that
// hold a tun device. A port that carries one of the tunnels belongs to the kernel.
func findListeners(l *probe.Look, tunnels []Tunnel) (all []Listener, holders map[string]string) {
	var bound []boundSocket
	for _, t := range socketTables {
		sockets, err := []socket(nil), error(unix.EOPNOTSUPP)
		if t.family != 0 {
			sockets, err = tcpListeners(t.family)
		}
		if err != nil { // or a kernel without tcp_diag
			sockets, err = readSockets(filepath.Join(probe.Proc, procself.Name(), "net", t.file), t.state)
		}
		if probe.Absent(err) && strings.HasSuffix(t.file, "6") {
			continue // a kernel without IPv6
		}
		l.Unknown("who listens over "+t.file, err, "ss -lntu")
		for _, s := range sockets {
			bound = append(bound, boundSocket{socket: s, proto: t.proto})
		}
	}
	holders = nameOwners(l, bound, tunnels)
	first, last := ephemeralPorts()
	for i, s := range bound {
		outer := func(t Tunnel) bool { return slices.Contains(t.Outer, Port{s.proto, s.local.Port()}) }
		bound[i].kernel = s.kernel || s.program == "" && slices.ContainsFunc(tunnels, outer)
	}
	return listenersOf(bound, first, last), holders
}

func readSockets(path, state string) ([]socket, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sockets, err := parseSockets(f, state)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return sockets, err
}

// boundSocket is a socket and the program that has it.
type boundSocket struct {
	socket
	proto, program string
	kernel         bool // no process has it open; a WireGuard device's, for example
}

// nameOwners finds the processes that have the sockets open, and those that hold the tun devices
// among the tunnels, until it knows them all. Without root it finds only the caller's own.
func nameOwners(l *probe.Look, sockets []boundSocket, tunnels []Tunnel) (holders map[string]string) {
	wanted := make(map[string][]int)
	for i, s := range sockets {
		if s.inode != 0 {
			link := fmt.Sprintf("socket:[%d]", s.inode)
			wanted[link] = append(wanted[link], i)
		}
	}
	holders = make(map[string]string)
	unnamed := len(wanted)
	for _, t := range tunnels {
		if slices.Contains(programKinds, t.Kind) {
			unnamed++
		}
	}
	var refused error
	for p := range everybody(l) {
		if unnamed == 0 {
			break
		}
		fds, err := os.ReadDir(p.Path("fd"))
		if errors.Is(err, os.ErrPermission) {
			refused = err
		}
		for _, fd := range fds {
			link, _ := os.Readlink(p.Path("fd/" + fd.Name()))
			for _, i := range wanted[link] {
				sockets[i].program = p.Name
			}
			if _, found := wanted[link]; found { // the parent of worker processes counts
				delete(wanted, link)
				unnamed--
			}
			if link == tunDevice && p.SharesNetwork() {
				if name := heldDevice(p.Path("fdinfo/" + fd.Name())); name != "" && holders[name] == "" {
					holders[name] = p.Name
					if isTunnel := func(t Tunnel) bool { return t.Interface == name }; slices.ContainsFunc(tunnels, isTunnel) {
						unnamed--
					}
				}
			}
		}
	}
	for i := range sockets {
		sockets[i].kernel = sockets[i].program == "" && refused == nil
	}
	l.Unknown("the programs of some listeners", refused, "run it as root")
	return holders
}

// everybody returns the processes of this host, and then those of containers on its network.
func everybody(l *probe.Look) iter.Seq[probe.Process] {
	return func(yield func(probe.Process) bool) {
		for _, p := range l.Processes {
			if !yield(p) {
				return
			}
		}
		for _, p := range guestsOf(l) {
			if !yield(p) {
				return
			}
		}
	}
}

// tunDevice is the file that a program opens to create or use a tun device.
const tunDevice = "/dev/net/tun"

// heldDevice returns the device of an open tunDevice, from a line "iff:" in fdinfo.
func heldDevice(fdinfo string) string {
	text, _ := probe.ReadFile(fdinfo)
	for line := range strings.Lines(text) {
		if name, found := strings.CutPrefix(line, "iff:"); found {
			return strings.TrimSpace(name)
		}
	}
	return ""
}

// guestsOf returns the processes of containers that use this host's network. Ports that they listen
// on are ports of this host.
func guestsOf(l *probe.Look) []probe.Process {
	entries, err := os.ReadDir(probe.Proc)
	if err != nil {
		return nil
	}
	known := make(map[int]bool, len(l.Processes))
	for _, p := range l.Processes {
		known[p.PID] = true
	}
	var all []probe.Process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || known[pid] {
			continue
		}
		p := probe.Process{PID: pid}
		if !p.SharesNetwork() {
			continue
		}
		if comm, err := probe.ReadFile(filepath.Join(probe.Proc, e.Name(), "comm")); err == nil {
			p.Name = strings.TrimSuffix(comm, "\n")
			all = append(all, p)
		}
	}
	return all
}

// ephemeralPorts returns the range of ports that the kernel assigns to sockets that ask for none.
// The default is from the kernel's documentation (ip-sysctl.rst).
func ephemeralPorts() (first, last uint16) {
	text, _ := probe.ReadFile(filepath.Join(probe.Proc, "sys/net/ipv4/ip_local_port_range"))
	if _, err := fmt.Sscan(text, &first, &last); err != nil {
		return 32768, 60999
	}
	return first, last
}

// listenersOf drops sockets that are not listeners, and sorts the rest by port.
//
// A UDP socket does not show whether its program asked for the port or was assigned one, as a
// resolver is for each query. A port in the ephemeral range counts as assigned, with two
// exceptions: no process has the socket (WireGuard's 51820 belongs to the kernel), or the same
// program has the same port in both families (Tailscale's 41641), which hardly happens by chance.
func listenersOf(sockets []boundSocket, first, last uint16) []Listener {
	both := func(s boundSocket) bool {
		return slices.ContainsFunc(sockets, func(o boundSocket) bool {
			return o.proto == s.proto && o.program == s.program && o.program != "" &&
				o.local.Port() == s.local.Port() && o.local.Addr().Is6() != s.local.Addr().Is6()
		})
	}
	all := []Listener{}
	for _, s := range sockets {
		port := s.local.Port()
		client := s.proto == "udp" && port >= first && port <= last && !s.kernel && !both(s)
		if !client && !s.local.Addr().IsLoopback() {
			all = append(all, Listener{Proto: s.proto, Addr: s.local.Addr(), Port: port, Program: s.program})
		}
	}
	slices.SortStableFunc(all, func(a, b Listener) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Proto, b.Proto), a.Addr.Compare(b.Addr), cmp.Compare(a.Program, b.Program))
	})
	return slices.Compact(all) // workers that share a port (SO_REUSEPORT)
}

// Listener is a port of this host on which a program listens, on an address other than loopback.
type Listener struct {
	Proto   string     `json:"proto"`             // tcp or udp; or esp, gre, ipip, 6in4 if the kernel decapsulates those
	Addr    netip.Addr `json:"addr"`              // unspecified: all addresses
	Port    uint16     `json:"port"`              // 0 for a protocol without ports
	Program string     `json:"program,omitempty"` // the process's name; empty if not found
	VPN     string     `json:"vpn,omitempty"`     // such as openvpn, if a tunnel uses this port
}
