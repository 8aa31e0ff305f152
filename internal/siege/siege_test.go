package siege_test

import (
	"cmp"
	"context"
	"encoding/json"
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

	"github.com/voipbl/voipbl/asterisk"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/probe"
	"github.com/voipbl/voipbl/internal/testasterisk"
	"github.com/voipbl/voipbl/internal/testbuild"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/internal/testshare"
	"github.com/voipbl/voipbl/internal/testsip"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/pbx/connect"
	"github.com/voipbl/voipbl/pbx/link"
	"github.com/voipbl/voipbl/pbx/secrets"
	"github.com/voipbl/voipbl/state"
)

// patience is how long something may take on a busy machine.
const patience = 2 * time.Minute

// family is a version of IP, and where the PBX and those around it are in it.
type family struct {
	name                     string
	is6                      bool
	pbx                      netip.Addr
	attackers, office, phone netip.Prefix // each with its first address
}

var ipv4, ipv6 = &family{
	name: "IPv4", pbx: netip.MustParseAddr("45.1.2.1"), attackers: netip.MustParsePrefix("46.2.0.1/16"),
	office: netip.MustParsePrefix("45.1.3.3/24"), phone: netip.MustParsePrefix("45.1.4.4/24"),
}, &family{
	name: "IPv6", is6: true, pbx: netip.MustParseAddr("2a00:5:2::1"), attackers: netip.MustParsePrefix("2a00:46::1/32"),
	office: netip.MustParsePrefix("2a00:5:3::3/64"), phone: netip.MustParsePrefix("2a00:5:4::4/64"),
}

// sip is where the PBX listens.
func (f *family) sip() netip.AddrPort { return netip.AddrPortFrom(f.pbx, 5060) }

// set is the name of a set's half.
func (f *family) set(name string) string {
	if f.is6 {
		return name + "6"
	}
	return name
}

var hepPort = netip.MustParseAddrPort("127.0.0.1:460")

const password = testasterisk.Password

// siege is a PBX, and who is around it.
type siege struct {
	testing.TB
	family    *family
	dir       string
	star      *testns.Star
	asterisk  *testasterisk.Asterisk
	attackers *testns.Host
	office    *testns.Host
	phone     *testns.Host
	agent     *exec.Cmd
	watcher   *exec.Cmd
	counts    int // see count
}

// onEach runs a test over each version of IP; as part of "make test", over one of them.
func onEach(t *testing.T, l layout, test func(s *siege)) {
	t.Helper()
	for _, l.family = range testshare.Every(t, 2, []*family{ipv4, ipv6}) {
		t.Run(l.family.name, func(t *testing.T) { test(lay(t, l)) })
	}
}

// layout is what a siege begins with.
type layout struct {
	family   *family // IPv4 if there is none
	phones   int
	firewall string // keys of the configuration's firewall
	list     string // an address that is not in the siege if there is none
	pjsip    string // more of Asterisk's configuration
}

// lay starts a PBX that voipbl watches.
func lay(t testing.TB, l layout) *siege {
	t.Helper()
	s := &siege{TB: t, family: cmp.Or(l.family, ipv4), star: testns.EnterStar(t, ipv4.pbx, ipv6.pbx)}
	var err error
	s.dir, err = os.MkdirTemp("", "siege") // the path of a socket is short
	s.must(err)
	t.Cleanup(func() { os.RemoveAll(s.dir) })
	s.attackers = s.star.Join(ipv4.attackers, ipv6.attackers)
	s.office = s.star.Join(ipv4.office, ipv6.office)
	s.phone = s.star.Join(ipv4.phone, ipv6.phone)

	files := testasterisk.Files()
	for i := range l.phones {
		files["pjsip.conf"] += testasterisk.Phone(fmt.Sprint(7000+i), password, 2)
	}
	files["pjsip.conf"] += l.pjsip
	s.asterisk = testasterisk.Start(t, files)
	for _, folder := range []string{"lists", "run", "state"} {
		s.must(os.Mkdir(s.path(folder), 0o755))
	}
	s.write("lists/list", cmp.Or(l.list, "4.9.9.9\n"))
	s.write("voipbl.yaml", fmt.Sprintf(`state_dir: DIR/state
run_dir: DIR/run
metrics: {listen: ""}
feeds: [{name: mine, path: DIR/lists}]
pbx: {hep: %q, ami: "127.0.0.1:5038"}
firewall:
  local_networks: [192.168.77.0/24]
%s`, hepPort, l.firewall))
	s.connect()
	s.agent = s.start("run", "--config", s.path("voipbl.yaml"))
	s.eventually("the agent has its sockets", func() bool {
		_, err := os.Stat(s.path("run/" + state.PBXSocket))
		return err == nil
	})
	s.watch()
	return s
}

// connect connects Asterisk, as "voipbl pbx connect" does.
func (s *siege) connect() {
	s.Helper()
	store, err := fetch.OpenStore(s.path("state"))
	s.must(err)
	defer store.Close()
	passwords, err := secrets.Ensure(store)
	s.must(err)
	var p connect.Plan
	s.asterisk.In(func(root string) error {
		folder := filepath.Join(root, connect.Folder)
		files, err := connect.Read(folder)
		if err != nil {
			return err
		}
		p = connect.New(files, asterisk.Look(probe.New(s.Context(), root)), connect.Want{HEP: hepPort, HEPPassword: passwords.HEP, AMISecret: passwords.AMI})
		return p.Apply(folder)
	})
	s.must(p.Reload(s.Context(), func(_ context.Context, command string) (string, error) { return s.asterisk.CLI(command), nil }))
}

// watch starts the watcher, with its unit's limit of memory, and without a right that the unit takes
// from it: to have more datagrams wait than others may.
func (s *siege) watch() {
	s.Helper()
	s.watcher = s.run("env", "GOMEMLIMIT=32MiB", "setpriv", "--bounding-set", "-net_admin", testbuild.Program, "pbx", "run", "--run-dir", s.path("run"))
	s.awaitWatcher()
}

// start starts voipbl beside the test.
func (s *siege) start(args ...string) *exec.Cmd {
	s.Helper()
	return s.run(testbuild.Program, args...)
}

// run starts a program beside the test.
func (s *siege) run(program string, args ...string) *exec.Cmd {
	s.Helper()
	cmd := exec.Command(program, args...)
	log, err := os.CreateTemp(s.dir, "*.log")
	s.must(err)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.must(cmd.Start())
	s.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		text, _ := os.ReadFile(log.Name())
		log.Close()
		if s.Failed() {
			s.Logf("%s:\n%s", strings.Join(args, " "), text)
		}
	})
	return cmd
}

func (s *siege) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *siege) path(name string) string { return filepath.Join(s.dir, name) }

func (s *siege) write(name, text string) {
	s.Helper()
	s.must(os.WriteFile(s.path(name), []byte(strings.ReplaceAll(text, "DIR", s.dir)), 0o644))
}

// voipbl runs a command.
func (s *siege) voipbl(args ...string) (string, error) {
	out, err := exec.Command(testbuild.Program, append([]string{"--config", s.path("voipbl.yaml")}, args...)...).Output()
	return string(out), err
}

func (s *siege) eventually(what string, is func() bool) {
	s.Helper()
	if !testpoll.Until(patience, is) {
		s.Fatalf("not so after %s: %s", patience, what)
	}
}

// health is what the watcher has said of itself last.
func (s *siege) health() *link.Health {
	out, err := s.voipbl("status", "--json") // 3 or 1: something is wrong, and it says what
	var status struct{ Agent *state.AgentStatus }
	if json.Unmarshal([]byte(out), &status) != nil || status.Agent == nil || status.Agent.PBX == nil {
		_ = err
		return nil
	}
	return &status.Agent.PBX.Health
}

// awaitWatcher waits until both ways work.
func (s *siege) awaitWatcher() {
	s.Helper()
	s.eventually("the watcher works", func() bool {
		h := s.health()
		return h != nil && h.HEP != nil && h.HEP.Error == "" && h.AMI != nil && !h.AMI.Connected.IsZero()
	})
}

// banned reports whether the kernel has a ban of an address.
func (s *siege) banned(a netip.Addr) bool {
	return s.in("voip_ban", a)
}

// in reports whether the kernel's set has an address.
func (s *siege) in(set string, a netip.Addr) bool {
	return exec.Command("ipset", "-q", "test", s.family.set(set), a.String()).Run() == nil
}

// phones are those that voipbl knows.
func (s *siege) phones() []known.PhoneRow {
	s.Helper()
	return s.known().Phones
}

// known is what voipbl knows of phones and trunks.
func (s *siege) known() (all known.Listing) {
	s.Helper()
	out, err := s.voipbl("phones", "--json")
	s.must(err)
	s.must(json.Unmarshal([]byte(out), &all))
	return all
}

// attacker is a new one.
func (s *siege) attacker() *testsip.Client {
	s.Helper()
	return s.on(s.attackers, s.attackers.Fresh(s.family.is6), 5060)
}

// attack is one that goes on until it is ended.
type attack struct {
	s       *siege
	c       *testsip.Client
	stop    func()
	stopped chan struct{}
	answers int // that it got; see stopped
}

// guesses begins an attack: guesses of a password, at a rate.
func (s *siege) guesses(c *testsip.Client, every time.Duration) *attack {
	stop := make(chan struct{})
	a := &attack{s: s, c: c, stop: sync.OnceFunc(func() { close(stop) }), stopped: make(chan struct{})}
	s.Cleanup(func() { a.stop(); <-a.stopped })
	go func() {
		defer close(a.stopped)
		next := time.NewTicker(every)
		defer next.Stop()
		var challenge *testsip.Answer
		for {
			r := c.Request("REGISTER", "7001")
			if challenge != nil {
				r = r.Authorized(*challenge, "7001", "guess")
			}
			guess := challenge != nil
			challenge = nil
			c.Send(r.Text())
			if got, err := c.AnswerIn(r.CallID, every); err == nil {
				a.answers++
				if got.Status == 401 && !guess {
					challenge = &got
				}
			}
			select {
			case <-stop:
				return
			case <-next.C:
			}
		}
	}()
	return a
}

// end ends it, and returns how many answers the attacker has got.
func (a *attack) end() int {
	a.s.Helper()
	a.stop()
	<-a.stopped
	if a.answers > mostAnswered {
		a.s.Errorf("%s got %d answers", a.c.Local(), a.answers)
	}
	return a.answers
}

// banned ends it when the attacker is banned.
func (a *attack) banned() int {
	a.s.Helper()
	addr := a.c.Local().Addr()
	a.s.eventually(fmt.Sprint(addr, " is banned"), func() bool { return a.s.banned(addr) })
	return a.end()
}

// mostAnswered is far above what an attacker gets, since a busy machine takes its time, and far below
// what one gets who is not watched.
const mostAnswered = 60

// evidence is why each of the banned is banned.
func (s *siege) evidence() (why []string) {
	s.Helper()
	out, err := s.voipbl("bans", "--json")
	s.must(err)
	var all []struct{ Evidence string }
	s.must(json.Unmarshal([]byte(out), &all))
	for _, b := range all {
		why = append(why, b.Evidence)
	}
	return why
}

// TestAttackers: an attacker gets a few answers, alone or one of ten, slow or fast. However busy the
// machine is, the detector needs no more than three wrong passwords of each, if Asterisk answers.
func TestAttackers(t *testing.T) {
	onEach(t, layout{phones: 20}, func(s *siege) {
		attackers := 0
		for _, rate := range []int{20, 200} {
			for _, n := range []int{1, 10} {
				attackers += n
				s.attackedBy(n, rate)
			}
		}
		all := s.evidence()
		for _, why := range all {
			if strings.Contains(why, " challenged requests in ") {
				continue // Asterisk was so busy that it had not answered the first when these had come
			}
			n := 0
			if _, err := fmt.Sscanf(why, "%d wrong password", &n); err != nil || n > 3 || !strings.HasSuffix(why, ", proved") {
				s.Errorf("a ban because of %q", why)
			}
		}
		if len(all) != attackers {
			s.Errorf("%d bans of %d attackers", len(all), attackers)
		}
	})
}

// attackedBy has attackers guess passwords at a rate until they are banned.
func (s *siege) attackedBy(n, rate int) {
	s.Helper()
	var all []*attack
	for range n {
		all = append(all, s.guesses(s.attacker(), time.Second/time.Duration(rate)))
	}
	var got []int
	for _, a := range all {
		got = append(got, a.banned())
	}
	s.Logf("%d attackers at %d/s: answered %v", n, rate, got)
}
