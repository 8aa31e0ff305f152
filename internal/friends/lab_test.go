package friends_test

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/testasterisk"
	"github.com/voipbl/voipbl/internal/testbuild"
	"github.com/voipbl/voipbl/internal/testdns"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/internal/testsshd"
)

// patience is how long something may take on a busy machine.
const patience = 2 * time.Minute

// lab is a PBX host in its own namespace, with a real Asterisk, SSH server and
// fail2ban. Everybody else is around it, each on a separate link.
type lab struct {
	*testing.T
	setup
	dir       string
	env       []string
	star      *testns.Star
	outside   *testns.Host // where strangers are
	strangers int
	logins    int             // in ownLog
	calls     map[string]bool // answered calls, as seen by stream
	people    []person        // the friends
	asterisk  *testasterisk.Asterisk
	fail2ban  *exec.Cmd
}

// setup is the ways in which hosts differ.
type setup struct {
	backend string // of iptables
	base    bool   // base rules
	dropAt  string
	share   int // each column, or one in so many, as part of "make test"
}

func (s setup) String() string {
	rules := "drop only"
	if s.base {
		rules = "base rules"
	}
	return fmt.Sprintf("%s, %s, %s", s.backend, rules, s.dropAt)
}

func newLab(t *testing.T, s setup) *lab {
	t.Helper()
	star := testns.EnterStar(t, pbx[:]...)
	l := &lab{T: t, setup: s, star: star, calls: make(map[string]bool)}
	// The path of a socket may not be longer than 108 letters.
	var err error
	l.dir, err = os.MkdirTemp("", "friends")
	l.must(err)
	t.Cleanup(func() { os.RemoveAll(l.dir) })
	l.mounts()
	l.outside = star.Join(strangers4, strangers6)
	for _, p := range friends {
		p.host = star.Join(netip.PrefixFrom(p.addrs[0], 24), netip.PrefixFrom(p.addrs[1], 64))
		l.people = append(l.people, p)
	}
	l.programs()
	l.names()
	l.asterisk = testasterisk.Start(t, testasterisk.Files())
	l.logIn()
	l.configure(true)
	l.write("lists/list", "4.9.9.9\n2a00:4:9::9\n")
	l.apply()
	who := l.friend(byVerb)
	l.sh(fmt.Sprintf("voipbl allow %s %s", who.addrs[0], who.addrs[1]))
	return l
}

// mounts gives the test's thread, and all that it starts, their own mounts: they use
// the lab's DNS server, and /run is empty.
func (l *lab) mounts() {
	l.Helper()
	l.must(unix.Unshare(unix.CLONE_NEWNS))
	l.must(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	l.must(unix.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755"))
	l.must(os.Mkdir("/run/fail2ban", 0o755))
	l.write("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
	l.must(unix.Mount(l.path("resolv.conf"), "/etc/resolv.conf", "", unix.MS_BIND, ""))
}

// programs puts iptables of the backend, and voipbl with its configuration, into PATH.
func (l *lab) programs() {
	l.Helper()
	for _, folder := range []string{"bin", "lists", "run", "state"} {
		l.must(os.Mkdir(l.path(folder), 0o700))
	}
	for _, name := range []string{"iptables", "ip6tables"} {
		for _, verb := range []string{"", "-save", "-restore"} {
			program, err := exec.LookPath(name + "-" + l.backend + verb)
			l.must(err)
			program, err = filepath.EvalSymlinks(program)
			l.must(err)
			l.must(os.Symlink(program, l.path("bin/"+name+verb)))
		}
	}
	l.write("bin/voipbl", "#!/bin/sh\nexec "+testbuild.Program+" --config DIR/voipbl.yaml \"$@\"\n")
	l.must(os.Chmod(l.path("bin/voipbl"), 0o700))
	l.env = append(os.Environ(), "LC_ALL=C", "PATH="+l.path("bin")+":"+os.Getenv("PATH"))
}

// names starts the DNS server.
func (l *lab) names() {
	l.Helper()
	server, err := testdns.Start("127.0.0.1:53")
	l.must(err)
	l.Cleanup(server.Close)
	for _, r := range records {
		l.must(server.Set(r.name, r.kind, r.value))
	}
}

// logIn logs in the friend with the SSH session, over each family.
func (l *lab) logIn() {
	l.Helper()
	who := l.friend(session)
	for f, addr := range pbx {
		server, err := testsshd.Start(l.mkdir(fmt.Sprint("sshd", f)), netip.AddrPortFrom(addr, 22), "setpriv", "--pdeathsig", "KILL")
		l.must(err)
		l.Cleanup(server.Close)
		var login *testsshd.Session
		who.host.Do(func() { login, err = server.Login(who.addrs[f]) })
		l.must(err)
		l.Cleanup(login.Close)
	}
}

func (l *lab) friend(name string) person {
	l.Helper()
	for _, p := range l.people {
		if p.name == name {
			return p
		}
	}
	l.Fatalf("there is no %s", name)
	return person{}
}

// configure writes the configuration. SIP is public, or only for local networks and
// trunks. SSH is open to everybody, so that only the jail closes it.
func (l *lab) configure(public bool) {
	l.Helper()
	l.write("voipbl.yaml", fmt.Sprintf(`state_dir: DIR/state
run_dir: DIR/run
metrics: {listen: ""}
feeds: [{name: mine, path: DIR/lists}]
%s  backend: %s
  base: %v
  drop_at: %s
  sip: {public: %v}
  services: [{name: ssh, proto: tcp, ports: "22", from: any}]
`, settings, l.backend, l.base, l.dropAt, public))
}

// apply applies lists and rules.
func (l *lab) apply() {
	l.Helper()
	l.sh("{ voipbl firewall apply --confirm 0 || test $? = 3; } && voipbl sync") // the sets are empty before
}

func (l *lab) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func (l *lab) path(name string) string { return filepath.Join(l.dir, name) }

func (l *lab) mkdir(name string) string {
	l.Helper()
	l.must(os.Mkdir(l.path(name), 0o700))
	return l.path(name)
}

// write makes a file in the lab's folder, for which text has DIR.
func (l *lab) write(name, text string) {
	l.Helper()
	l.must(os.WriteFile(l.path(name), []byte(strings.ReplaceAll(text, "DIR", l.dir)), 0o644))
}

func (l *lab) read(name string) string {
	l.Helper()
	text, err := os.ReadFile(l.path(name))
	l.must(err)
	return string(text)
}

// run runs a script on the PBX.
func (l *lab) run(script string) (out string, err error) {
	cmd := exec.Command("sh", "-euc", strings.ReplaceAll(script, "DIR", l.dir))
	cmd.Env = l.env
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// sh is run for a script that must succeed.
func (l *lab) sh(script string) string {
	l.Helper()
	out, err := l.run(script)
	if err != nil {
		l.Fatalf("%s: %v\n%s", script, err, out)
	}
	return out
}

// eventually waits until is returns true.
func (l *lab) eventually(what string, is func() bool) {
	l.Helper()
	if !testpoll.Until(patience, is) {
		log, _ := os.ReadFile(l.path("fail2ban.log"))
		l.Fatalf("not so after %s: %s\n%s", patience, what, log)
	}
}
