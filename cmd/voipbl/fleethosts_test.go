package main

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/fleet/link"
	"github.com/voipbl/voipbl/internal/testfleet"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testpoll"
)

// fleetWait is how long a test waits for what usually takes a second.
const fleetWait = time.Minute

// fleetHosts are PBX hosts around a hub, each in a namespace of its own.
type fleetHosts struct {
	t      testing.TB
	star   *testns.Star
	hub    *testfleet.Hub
	joined int
}

// hubAddr is the hub's address, in the middle.
var hubAddr = netip.MustParseAddr("192.0.2.1")

// newFleet starts a hub.
func newFleet(t testing.TB) *fleetHosts {
	t.Helper()
	f := &fleetHosts{t: t, star: testns.EnterStar(t, hubAddr)}
	f.hub = testfleet.Start(t, hubAddr)
	return f
}

// fleetMember is a host of the fleet: an agent, and what takes part.
type fleetMember struct {
	*runningAgent
	fleet   *fleetHosts
	at      *testns.Host
	wire    string // the name of its wire in the middle
	name    string
	feed    func(*host) string // a line of its configuration
	process *memberProcess
}

// memberProcess is "voipbl fleet run".
type memberProcess struct {
	cmd *exec.Cmd
	mu  sync.Mutex
	log strings.Builder
}

func (p *memberProcess) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func (p *memberProcess) logged() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// join adds a host. settings are the lines of its configuration below "fleet", and more those
// beside.
func (f *fleetHosts) join(name, settings, more string) *fleetMember {
	f.t.Helper()
	return f.joinAs(name, f.hub.Creds(name), settings, more, (*host).nearFeed)
}

// joinAs is join with other credentials, and another feed.
func (f *fleetHosts) joinAs(name string, creds []byte, settings, more string, feed func(*host) string) *fleetMember {
	f.t.Helper()
	f.joined++
	m := &fleetMember{feed: feed, fleet: f, name: name, wire: fmt.Sprint("host", f.joined)}
	m.at = f.star.Join(netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(f.joined), 1}), 24))
	m.at.Do(func() {
		h := hostHere(f.t, "nft")
		m.runningAgent = &runningAgent{host: h}
		writeFile(f.t, filepath.Join(h.dir, "creds"), string(creds))
		if err := os.Chmod(filepath.Join(h.dir, "creds"), 0o600); err != nil {
			f.t.Fatal(err)
		}
		m.configure(settings, more)
	})
	m.startAgent()
	m.startProcess()
	return m
}

// configure writes the host's configuration.
func (m *fleetMember) configure(settings, more string) {
	m.t.Helper()
	m.config = m.host.configure(fmt.Sprintf("%sfleet:\n  hub: [%q]\n  creds: %s/creds\n%s", more, m.fleet.hub.URL(), m.dir, indented(settings)), m.feed(m.host))
}

func indented(lines string) (text string) {
	for line := range strings.Lines(lines) {
		text += "  " + line
	}
	return text
}

// startAgent starts the agent, which has the configuration and state that it had.
func (m *fleetMember) startAgent() {
	m.t.Helper()
	m.at.Do(func() { m.runningAgent = m.host.startAgent(m.config, "GOGC=50") }) // as in its unit
	m.told("READY=1", fleetWait)
}

// startProcess starts what takes part.
func (m *fleetMember) startProcess() {
	m.t.Helper()
	p := new(memberProcess)
	p.cmd = exec.Command("voipbl", "fleet", "run", "--verbose", "--run-dir", filepath.Join(m.dir, "run"))
	p.cmd.Env = append(os.Environ(), "GOMEMLIMIT=32MiB") // as in its unit
	p.cmd.Stderr = p
	m.at.Do(func() {
		if err := p.cmd.Start(); err != nil {
			m.t.Fatal(err)
		}
	})
	m.process = p
	m.t.Cleanup(func() {
		p.end(syscall.SIGKILL)
		if m.t.Failed() {
			m.t.Logf("the log of %s's part in the fleet:\n%s", m.name, p.logged())
		}
	})
}

// end ends the process, and returns its exit code.
func (p *memberProcess) end(sig syscall.Signal) int {
	if p.cmd.ProcessState == nil {
		p.cmd.Process.Signal(sig)
		p.cmd.Wait()
	}
	return p.cmd.ProcessState.ExitCode()
}

// does runs a command on the host, which must succeed.
func (m *fleetMember) does(args ...string) (out string) {
	m.t.Helper()
	out, code := m.asks(args...)
	if code != 0 {
		m.t.Fatalf("%s: %s: %d: %s", m.name, strings.Join(args, " "), code, out)
	}
	return out
}

// asks runs a command on the host.
func (m *fleetMember) asks(args ...string) (out string, code int) {
	m.t.Helper()
	m.at.Do(func() { out, code = m.runningAgent.voipbl(args...) })
	return out, code
}

// bans are the addresses in the kernel's sets of bans.
func (m *fleetMember) bans() (bans map[string]bool) {
	m.t.Helper()
	m.at.Do(func() { bans = m.kernelBans() })
	return bans
}

// has reports whether all addresses are banned in the kernel.
func (m *fleetMember) has(addrs ...string) bool {
	m.t.Helper()
	bans := m.bans()
	for _, a := range addrs {
		if !bans[a] {
			return false
		}
	}
	return true
}

// gets waits until addresses are banned in the kernel.
func (m *fleetMember) gets(addrs ...string) {
	m.t.Helper()
	if !testpoll.Until(fleetWait, func() bool { return m.has(addrs...) }) {
		m.t.Fatalf("%s does not ban %s, but %v", m.name, strings.Join(addrs, ", "), m.bans())
	}
}

// loses waits until an address is banned in the kernel no more.
func (m *fleetMember) loses(addr string) {
	m.t.Helper()
	if !testpoll.Until(fleetWait, func() bool { return !m.has(addr) }) {
		m.t.Fatalf("%s still bans %s", m.name, addr)
	}
}

// until waits for something.
func (m *fleetMember) until(what string, holds func() bool) {
	m.t.Helper()
	if !testpoll.Until(2*fleetWait, holds) {
		m.t.Fatalf("%s: not within %s: %s", m.name, 2*fleetWait, what)
	}
}

// health is what the agent knows of the process.
func (m *fleetMember) health() (h link.Health) {
	m.t.Helper()
	var s blocklist.Status
	m.at.Do(func() { s = m.status() })
	if s.Agent == nil || s.Agent.Fleet == nil {
		m.t.Fatalf("%s: no fleet in status", m.name)
	}
	return s.Agent.Fleet.Health
}

// connected reports whether the host is connected with the hub, as far as the agent has been told.
func (m *fleetMember) connected() bool {
	m.t.Helper()
	var s blocklist.Status
	m.at.Do(func() { s = m.status() })
	return s.Agent != nil && s.Agent.Fleet != nil && !s.Agent.Fleet.Health.Connected.IsZero()
}

// cut has the middle drop all packets to the host, from it, or both.
func (m *fleetMember) cut(what string) (heal func()) {
	m.t.Helper()
	nft := func(text string) {
		m.t.Helper()
		cmd := exec.Command("nft", "-f", "-")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			m.t.Fatalf("nft: %v: %s", err, out)
		}
	}
	text := "table inet cut {\n"
	if what != "from" {
		text += fmt.Sprintf("chain to { type filter hook output priority 0; oifname %q drop; }\n", m.wire)
	}
	if what != "to" {
		text += fmt.Sprintf("chain from { type filter hook input priority 0; iifname %q drop; }\n", m.wire)
	}
	nft(text + "}\n")
	return func() { nft("delete table inet cut\n") }
}
