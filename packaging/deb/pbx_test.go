package deb_test

import (
	"context"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testhost"
	"github.com/voipbl/voipbl/internal/testpoll"
)

// Addresses on the wire between a host and the outside, which is a network namespace
// on it. They are public ones, since private ones are never blocked.
const (
	hostAddr = "5.6.0.1"
	attacker = "5.6.0.66"
	phone    = "5.6.0.77"
)

// patience is how long something may take on a busy machine.
const patience = time.Minute

// pbx is a host to install the package on.
type pbx struct {
	*testhost.Host
	t *testing.T
}

// boot starts a host that has what the package needs, and no way to get more.
func boot(t *testing.T, packages ...string) *pbx {
	t.Helper()
	return &pbx{testhost.Boot(t, packages...), t}
}

// bootSuite is boot for a release of Debian.
func bootSuite(t *testing.T, suite string) *pbx {
	t.Helper()
	return &pbx{testhost.BootSuite(t, suite), t}
}

// copyDebs puts both versions into /root.
func (p *pbx) copyDebs() {
	p.t.Helper()
	folder := packages(p.t)
	for _, version := range []string{older, newer} {
		p.CopyIn(file(folder, version, arch()), deb(version), 0o644)
	}
}

// deb returns the path of a version on a host.
func deb(version string) string { return "/root/voipbl_" + version + ".deb" }

// unattended is apt-get without recommended packages, which the host cannot get, and without a
// terminal. No option answers questions.
var unattended = []string{"env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--yes", "--quiet", "--no-install-recommends", "--allow-downgrades"}

func (p *pbx) apt(args ...string) string {
	p.t.Helper()
	return p.Must(slices.Concat(unattended, args)...)
}

func (p *pbx) sh(script string) string {
	p.t.Helper()
	return p.Must("sh", "-c", script)
}

// succeeds reports whether a command exits with 0.
func (p *pbx) succeeds(args ...string) bool {
	p.t.Helper()
	_, code := p.Run(args...)
	return code == 0
}

// eventually waits until a condition holds, and fails if it never does.
func (p *pbx) eventually(what string, holds func() bool) {
	p.t.Helper()
	if !testpoll.Until(patience, holds) {
		p.t.Fatalf("never: %s\n%s", what, p.sh("iptables-save; ipset list -terse; journalctl --no-pager -u voipbl | tail -30"))
	}
}

// unit returns a property of a unit.
func (p *pbx) unit(name, property string) string {
	p.t.Helper()
	return strings.TrimSpace(p.Must("systemctl", "show", "--value", "--property="+property, name))
}

// when returns how many microseconds after the boot a unit became active.
func (p *pbx) when(unit string) int {
	p.t.Helper()
	n, err := strconv.Atoi(p.unit(unit, "ActiveEnterTimestampMonotonic"))
	if err != nil || n == 0 {
		p.t.Fatalf("%s was never active: %v\n%s", unit, err, p.sh("systemctl status --no-pager "+unit+" || true"))
	}
	return n
}

// inOrder fails unless units became active in this order.
func (p *pbx) inOrder(units ...string) {
	p.t.Helper()
	for i := 1; i < len(units); i++ {
		if a, b := p.when(units[i-1]), p.when(units[i]); a > b {
			p.t.Errorf("%s is active %d µs after the boot, and %s already at %d", units[i-1], a, units[i], b)
		}
	}
}

// The rules that drop the members of the sets, as the kernel lists them.
const (
	drop  = "-A INPUT -m set --match-set voip_bl src"
	drop6 = "-A INPUT -m set --match-set voip_bl6 src"
)

// protected fails unless an address is in the set and the first rule of INPUT drops it, or of
// raw PREROUTING with base rules, for both families.
func (p *pbx) protected(blocked string) {
	p.t.Helper()
	p.Must("ipset", "test", "voip_bl", blocked)
	for save, rule := range map[string]string{"iptables-save": drop, "ip6tables-save": drop6} {
		table, chain := "filter", "INPUT"
		if strings.Contains(p.sh(save+" -t filter 2>/dev/null"), "-A INPUT -m comment --comment \"voipbl: the base rules") {
			table, chain = "raw", "PREROUTING"
		}
		first := p.sh(save + " -t " + table + " 2>/dev/null | grep -m1 -- '-A " + chain + "'")
		if !strings.HasPrefix(first, strings.Replace(rule, "INPUT", chain, 1)) || !strings.Contains(first, "-j DROP") {
			p.t.Errorf("%s: the first rule of %s is %q", save, chain, first)
		}
	}
}

// awaitProtected waits for protected, for what the agent is about to do.
func (p *pbx) awaitProtected(blocked string) {
	p.t.Helper()
	p.eventually(blocked+" is blocked", func() bool {
		return p.succeeds("ipset", "-q", "test", "voip_bl", blocked) && strings.Contains(p.Must("iptables-save"), drop)
	})
	p.protected(blocked)
}

// noTrace fails if the kernel has anything of voipbl's. The chain and sets that fail2ban has made
// for one of voipbl's jails are fail2ban's. The names that tests give voipbl's sets begin with
// pbx_.
func (p *pbx) noTrace() {
	p.t.Helper()
	for line := range strings.Lines(p.Must("iptables-save") + p.Must("ip6tables-save") + p.Must("ipset", "list", "-name")) {
		ours := strings.Contains(strings.ToLower(line), "voip") || strings.Contains(line, "pbx_")
		if ours && !strings.Contains(line, "f2bv-voipbl-") && !strings.HasPrefix(line, "own-voipbl-") {
			p.t.Errorf("the kernel has %s", line)
		}
	}
}

// wire makes a network namespace "outside" that reaches the host, and nothing else.
func (p *pbx) wire() {
	p.t.Helper()
	p.sh(`set -e
ip link set lo up
ip netns add outside
ip link add inside type veth peer name out netns outside
ip addr add ` + hostAddr + `/24 dev inside
ip link set inside up
ip -n outside link set lo up
ip -n outside addr add ` + attacker + `/24 dev out
ip -n outside addr add ` + phone + `/24 dev out
ip -n outside link set out up`)
}

// start starts a command that runs beside the test, and returns after its first output. It ends by
// itself, by stop, or with the test.
func (p *pbx) start(args ...string) (cmd *exec.Cmd, stop func()) {
	p.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd = p.Command(ctx, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	stop = func() {
		cancel()
		cmd.Wait() // it was killed
	}
	p.t.Cleanup(stop)
	if _, err := out.Read(make([]byte, 100)); err != nil {
		p.t.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	return cmd, stop
}
