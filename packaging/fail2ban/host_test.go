package fail2ban_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testbuild"
	"github.com/voipbl/voipbl/internal/testfail2ban"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/internal/testshare"
)

// The addresses are public ones, which voipbl may block. No host has a way out.
var (
	pbx       = addrs("5.5.0.1", "2a00:5::1")
	attacker  = addrs("8.8.8.8", "2a00:8::8")
	bystander = addrs("9.9.9.9", "2a00:9::9")
	newcomer  = addrs("4.9.4.9", "2a00:49::9")
	pinger    = addrs("4.8.4.8", "2a00:48::8")
	friend    = addrs("6.6.6.6", "2a00:6::6") // in allow
	trunk     = addrs("7.7.7.7", "2a00:7::7")
	named     = addrs("3.3.3.3", "2a00:3::3") // trunk.example of trunks
	phone     = addrs("192.168.1.9", "fd00:1::9")

	friends = [][2]netip.Addr{friend, trunk, named, phone}
)

func addrs(v4, v6 string) [2]netip.Addr {
	return [2]netip.Addr{netip.MustParseAddr(v4), netip.MustParseAddr(v6)}
}

// The differences between the families.
var (
	tables = [2]string{"iptables", "ip6tables"}
	sets   = [2]string{"fail2ban-ASTERISK", "fail2ban-ASTERISK6"}
	owns   = [2]string{"own-voipbl-asterisk", "own-voipbl-asterisk6"}
	listed = [2]string{"voip_bl", "voip_bl6"}
	hosts  = [2]string{"voip_ban", "voip_ban6"}
)

// patience is how long a fail2ban may take on a busy machine.
const patience = time.Minute

func TestMain(m *testing.M) { os.Exit(testbuild.M{M: m}.Run()) }

// host is a PBX host in its own namespace, with a fail2ban that has Debian's configuration and voipbl's
// files. Each other host is on its own wire, since dropped hosts cannot even ask for a neighbour.
type host struct {
	*testing.T
	others map[netip.Addr]*testns.Host
	dir    string
	env    []string
	server *exec.Cmd
}

// onEachBackend runs a test on a host whose iptables is that of each backend; as part of "make test", of
// one of them.
func onEachBackend(t *testing.T, test func(h *host)) {
	t.Helper()
	for _, backend := range testshare.Every(t, 2, []string{"nft", "legacy"}) {
		t.Run(backend, func(t *testing.T) { test(newHost(t, backend)) })
	}
}

func newHost(t *testing.T, backend string) *host {
	t.Helper()
	star := testns.EnterStar(t, pbx[:]...)
	h := &host{T: t, others: make(map[netip.Addr]*testns.Host), dir: t.TempDir()}
	for _, who := range append(friends, attacker, bystander, newcomer, pinger) {
		other := star.Join(netip.PrefixFrom(who[0], 24), netip.PrefixFrom(who[1], 64))
		h.others[who[0]], h.others[who[1]] = other, other
	}
	bin := filepath.Join(h.dir, "bin")
	for _, folder := range []string{bin, h.path("run"), h.path("blocklist.d")} {
		h.must(os.Mkdir(folder, 0o700))
	}
	for _, name := range tables {
		for _, verb := range []string{"", "-save", "-restore"} {
			program, err := exec.LookPath(name + "-" + backend + verb)
			h.must(err)
			program, err = filepath.EvalSymlinks(program)
			h.must(err)
			h.must(os.Symlink(program, filepath.Join(bin, name+verb)))
		}
	}
	h.write("bin/voipbl", "#!/bin/sh\nexec "+testbuild.Program+" --config DIR/voipbl.yaml \"$@\"\n")
	h.must(os.Chmod(h.path("bin/voipbl"), 0o700))
	h.env = append(os.Environ(), "LC_ALL=C", "PATH="+bin+":"+os.Getenv("PATH"), "XTABLES_LOCKFILE="+h.path("xtables.lock"),
		// Somebody from the local network is logged in, so that sync installs base rules.
		"SSH_CONNECTION=192.168.1.5 50022 192.168.1.1 22")

	h.must(os.CopyFS(h.path("etc"), os.DirFS("/etc/fail2ban")))
	h.must(os.RemoveAll(h.path("etc/jail.d"))) // it may have jails of this machine
	for _, folder := range []string{"filter.d", "action.d", "jail.d"} {
		h.must(os.MkdirAll(h.path("etc/"+folder), 0o700))
		files, err := os.ReadDir(folder)
		h.must(err)
		for _, f := range files {
			text, err := os.ReadFile(filepath.Join(folder, f.Name()))
			h.must(err)
			// The jail names its own path, which is another one here.
			text = bytes.ReplaceAll(text, []byte("/etc/fail2ban/jail.d/"), []byte(h.path("etc/jail.d")+"/"))
			h.must(os.WriteFile(h.path("etc/"+folder+"/"+f.Name()), text, 0o600))
		}
	}
	h.write("etc/fail2ban.local", "[Definition]\nloglevel = INFO\nlogtarget = DIR/fail2ban.log\nsocket = DIR/socket\npidfile = DIR/pid\ndbfile = DIR/db\nallowipv6 = yes\n")
	h.write("messages", "")
	h.configure("false", "")
	return h
}

// protect syncs a list, with base rules or without.
func (h *host) protect(base string) {
	h.Helper()
	h.configure(base, ", trunk.example")
	h.write("blocklist.d/list", "4.4.4.4\n2a00:4::4\n")
	// There is no DNS here, so the trunk's SRV names are not known: exit 3. --force ignores logins
	// on the machine that runs the tests.
	h.sh(`unshare -m sh -c 'mount --bind DIR/hosts /etc/hosts
		voipbl sync || test $? = 3
		! ` + base + ` || voipbl firewall apply --force --confirm 0'`)
}

// configure writes voipbl's configuration. trunks are further ones, each after a comma.
func (h *host) configure(base, trunks string) {
	h.Helper()
	h.write("voipbl.yaml", `state_dir: DIR/state
run_dir: DIR/run
feeds: [{name: mine, path: DIR/blocklist.d}]
allow: [6.6.6.6, "2a00:6::6"]
metrics: {listen: ""}
firewall: {base: `+base+`, drop_at: input, local_networks: [192.168.1.0/24, "fd00:1::/32"], trunks: [7.7.7.7, "2a00:7::7"`+trunks+`]}
`)
	h.write("hosts", "3.3.3.3 trunk.example\n2a00:3::3 trunk.example\n")
}

// jails writes what an admin turns on. Each section has what a test needs.
func (h *host) jails(text string) {
	h.Helper()
	h.write("etc/jail.d/voipbl.local", "[DEFAULT]\nusedns = no\nignoreself = false\nignoreip =\n"+text)
}

// asterisk turns the jail for Asterisk on, with more lines.
func asterisk(more string) string {
	return "[voipbl-asterisk]\nenabled = true\nbackend = polling\nlogpath = DIR/messages\n" + more + "\n"
}

func (h *host) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *host) path(name string) string { return filepath.Join(h.dir, name) }

// write creates a file in the host's folder, which scripts call DIR.
func (h *host) write(name, text string) {
	h.Helper()
	h.must(os.WriteFile(h.path(name), []byte(strings.ReplaceAll(text, "DIR", h.dir)), 0o600))
}

func (h *host) read(name string) string {
	h.Helper()
	text, err := os.ReadFile(h.path(name))
	h.must(err)
	return string(text)
}

// run runs a script of the host's shell.
func (h *host) run(script string) (out string, err error) {
	cmd := exec.Command("sh", "-euc", strings.ReplaceAll(script, "DIR", h.dir))
	cmd.Env = h.env
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// sh is run for commands that must succeed.
func (h *host) sh(script string) string {
	h.Helper()
	out, err := h.run(script)
	if err != nil {
		h.Fatalf("%s: %v\n%s", script, err, out)
	}
	return out
}

// client runs fail2ban-client.
func (h *host) client(args string) string {
	h.Helper()
	return h.sh("fail2ban-client " + strings.Join(testfail2ban.Options(h.path("etc"), h.dir), " ") + " " + args)
}

// start runs a fail2ban with a new log until stop, or until the test ends.
func (h *host) start() {
	h.Helper()
	h.write("fail2ban.log", "")
	h.server = testfail2ban.Start(h.T, h.env, testfail2ban.Options(h.path("etc"), h.dir)...)
	h.eventually("fail2ban answers", func() bool { return testfail2ban.Answers(h.dir) })
}

// stop ends fail2ban as its service does, waits until it has taken back its bans, and fails if it has
// complained.
func (h *host) stop() {
	h.Helper()
	timer := time.AfterFunc(patience, func() { h.server.Process.Kill() })
	defer timer.Stop()
	h.must(h.server.Process.Signal(syscall.SIGTERM))
	if err := h.server.Wait(); err != nil {
		h.Fatalf("fail2ban: %v\n%s", err, h.read("fail2ban.log"))
	}
	h.quiet()
}

// complaints returns the lines in which fail2ban reports a failure.
func (h *host) complaints() []string {
	h.Helper()
	var all []string
	for line := range strings.Lines(h.read("fail2ban.log")) {
		if strings.Contains(line, " ERROR ") || strings.Contains(line, " CRITICAL ") {
			all = append(all, line)
		}
	}
	return all
}

// quiet fails the test if fail2ban has complained.
func (h *host) quiet() {
	h.Helper()
	if all := h.complaints(); len(all) > 0 {
		h.Errorf("fail2ban complains:\n%s", strings.Join(all, ""))
	}
}

// says waits for a complaint of fail2ban's that contains what.
func (h *host) says(what string) {
	h.Helper()
	h.eventually("fail2ban says "+what, func() bool { return strings.Contains(strings.Join(h.complaints(), ""), what) })
}

// forget accepts all complaints so far as expected.
func (h *host) forget() {
	h.Helper()
	h.write("fail2ban.log", "")
}

// refused waits until a ban is refused with the given message. Nothing is left of it, and fail2ban
// stops without another complaint.
func (h *host) refused(says string) {
	h.Helper()
	h.says(says)
	if left := h.sh("ipset list -name; iptables -S | grep f2b || true"); left != "" {
		h.Errorf("it leaves\n%s", left)
	}
	h.forget()
	h.stop()
}

// eventually waits until a condition holds.
func (h *host) eventually(what string, is func() bool) {
	h.Helper()
	if !testpoll.Until(patience, is) {
		log, _ := os.ReadFile(h.path("fail2ban.log"))
		h.Fatalf("not so after %s: %s\n%s", patience, what, log)
	}
}

// attack has Asterisk log, now and often enough for a ban, that addresses are refused.
func (h *host) attack(who ...netip.Addr) {
	h.Helper()
	const maxretry = 12 // of the jail
	h.tell(maxretry, "NOTICE[4711] res_pjsip/pjsip_distributor.c: Request 'REGISTER' from '<sip:100@pbx>' failed for '%s' (callid: 1) - Failed to authenticate", who...)
}

// tell writes a line, with %s for an address and port, several times into Asterisk's log.
func (h *host) tell(times int, line string, who ...netip.Addr) {
	h.Helper()
	log, err := os.OpenFile(h.path("messages"), os.O_APPEND|os.O_WRONLY, 0)
	h.must(err)
	defer log.Close()
	for _, a := range who {
		for range times {
			_, err := fmt.Fprintf(log, "[%s] "+line+"\n", time.Now().Format(time.DateTime), netip.AddrPortFrom(a, 5060))
			h.must(err)
		}
	}
}

// in reports whether a set has an address.
func (h *host) in(set string, a netip.Addr) bool {
	_, err := h.run("ipset -quiet test " + set + " " + a.String())
	return err == nil
}

// banned waits until the sets have the addresses.
func (h *host) banned(sets [2]string, who [2]netip.Addr) {
	h.Helper()
	for f, a := range who {
		h.eventually(fmt.Sprintf("%s is in %s", a, sets[f]), func() bool { return h.in(sets[f], a) })
	}
}

// freed waits until the sets no longer have the addresses.
func (h *host) freed(sets [2]string, who [2]netip.Addr) {
	h.Helper()
	for f, a := range who {
		h.eventually(fmt.Sprintf("%s is not in %s", a, sets[f]), func() bool { return !h.in(sets[f], a) })
	}
}

// rules returns a chain's rules in the kernel, without counters.
func (h *host) rules(family int, chain string) []string {
	h.Helper()
	var rules []string
	for line := range strings.Lines(h.sh(tables[family] + " -S " + chain)) {
		if rule, ok := strings.CutPrefix(line, "-A "+chain+" "); ok {
			rules = append(rules, strings.TrimSuffix(rule, "\n"))
		}
	}
	return rules
}

// drops returns voipbl's own drop rules, as the kernel lists them.
func drops(family int) []string {
	return []string{
		"-m set --match-set " + listed[family] + ` src -m comment --comment "voipbl: drop what comes from blocked addresses" -j DROP`,
		"-m set --match-set " + hosts[family] + ` src -m comment --comment "voipbl: drop what comes from banned addresses" -j DROP`,
	}
}
