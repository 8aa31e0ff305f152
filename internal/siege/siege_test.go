package siege_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
	"github.com/voipbl/voipbl/internal/testsip"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/pbx/connect"
	"github.com/voipbl/voipbl/pbx/link"
	"github.com/voipbl/voipbl/pbx/secrets"
	"github.com/voipbl/voipbl/state"
)

// patience is how long something may take on a busy machine.
const patience = 2 * time.Minute

var (
	pbxAddr = netip.MustParseAddr("45.1.2.1")
	sipPort = netip.AddrPortFrom(pbxAddr, 5060)
	hepPort = netip.MustParseAddrPort("127.0.0.1:460")
)

const password = testasterisk.Password

// siege is a PBX, and who is around it.
type siege struct {
	testing.TB
	dir       string
	star      *testns.Star
	asterisk  *testasterisk.Asterisk
	attackers *testns.Host // 203.0.113.0/24
	office    *testns.Host // 45.1.3.3
	phone     *testns.Host // 45.1.4.4
	agent     *exec.Cmd
	watcher   *exec.Cmd
}

// begin starts a PBX with phones, which voipbl watches. more are keys of the configuration's firewall.
func begin(t testing.TB, phones int, more string) *siege {
	t.Helper()
	return lay(t, layout{phones: phones, firewall: more, list: "4.9.9.9\n"})
}

// layout is what a siege begins with.
type layout struct {
	phones   int
	firewall string // keys of the configuration's firewall
	list     string
	pjsip    string // more of Asterisk's configuration
}

// lay starts a PBX that voipbl watches.
func lay(t testing.TB, l layout) *siege {
	t.Helper()
	s := &siege{TB: t, star: testns.EnterStar(t, pbxAddr)}
	var err error
	s.dir, err = os.MkdirTemp("", "siege") // the path of a socket is short
	s.must(err)
	t.Cleanup(func() { os.RemoveAll(s.dir) })
	s.attackers = s.star.Join(netip.MustParsePrefix("46.2.0.1/16"))
	s.office = s.star.Join(netip.MustParsePrefix("45.1.3.3/24"))
	s.phone = s.star.Join(netip.MustParsePrefix("45.1.4.4/24"))

	files := testasterisk.Files()
	for i := range l.phones {
		files["pjsip.conf"] += testasterisk.Phone(fmt.Sprint(7000+i), password, 2)
	}
	files["pjsip.conf"] += l.pjsip
	s.asterisk = testasterisk.Start(t, files)
	for _, folder := range []string{"lists", "run", "state"} {
		s.must(os.Mkdir(s.path(folder), 0o755))
	}
	s.write("lists/list", l.list)
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
	return exec.Command("ipset", "-q", "test", "voip_ban", a.String()).Run() == nil
}

// phones are those that voipbl knows.
func (s *siege) phones() (all []known.Row) {
	s.Helper()
	out, err := s.voipbl("phones", "--json")
	s.must(err)
	s.must(json.Unmarshal([]byte(out), &all))
	return all
}

// attacker is a new one.
func (s *siege) attacker() *testsip.Client {
	s.Helper()
	a := netip.AddrPortFrom(s.attackers.Fresh(false), 5060)
	var c *testsip.Client
	s.attackers.Do(func() { c = testsip.MustDial(s, "udp", a, sipPort) })
	return c
}

// guess attacks at a rate until it gets no more answers, and returns how many it got.
func guess(c *testsip.Client, every time.Duration) (answered int) {
	next := time.NewTicker(every)
	defer next.Stop()
	quiet := 0
	var challenge *testsip.Answer
	for quiet < 20 {
		r := c.Request("REGISTER", "7001")
		if challenge != nil {
			r = r.Authorized(*challenge, "7001", "guess")
		}
		c.Send(r.Text())
		a, err := c.AnswerIn(r.CallID, every)
		if err != nil {
			quiet++
			challenge = nil
			continue
		}
		answered++
		quiet = 0
		challenge = nil
		if a.Status == 401 && !strings.Contains(r.Text(), "Authorization:") {
			challenge = &a
		}
		<-next.C
	}
	return answered
}

// mostAnswered is far above what an attacker gets, since a busy machine takes its time, and far below
// what one gets who is not watched.
const mostAnswered = 60

// TestAttackers: an attacker gets a few answers, alone or one of ten, slow or fast.
func TestAttackers(t *testing.T) {
	s := begin(t, 20, "")
	for _, rate := range []int{20, 200} {
		for _, n := range []int{1, 10} {
			answers := make(chan int, n)
			var all []*testsip.Client
			for range n {
				all = append(all, s.attacker())
			}
			for _, c := range all {
				go func() { answers <- guess(c, time.Second/time.Duration(rate)) }()
			}
			var got []int
			for range n {
				got = append(got, <-answers)
				if n := got[len(got)-1]; n > mostAnswered {
					t.Errorf("an attacker at %d/s got %d answers", rate, n)
				}
			}
			t.Logf("%d attackers at %d/s: answered %v", n, rate, got)
			for _, c := range all {
				a := c.Local().Addr()
				s.eventually(fmt.Sprint(a, " is banned"), func() bool { return s.banned(a) })
			}
		}
	}
	out, err := s.voipbl("bans")
	t.Logf("%s %v", out, err)
}
