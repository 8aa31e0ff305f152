package main

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/testfault"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testshare"
	"github.com/voipbl/voipbl/internal/testskip"
	"github.com/voipbl/voipbl/voipblsh"
)

// faultVerb is a command under which system calls fail, and what comes before.
type faultVerb struct {
	name    string
	args    []string
	config  string // the configuration it goes by: old or new
	prepare []string
	stage   string   // what others do to the kernel before it, as a script
	heal    []string // what puts things right after a failure; else one more sync
	trial   bool     // it is about rules on trial: whatever is left of them is taken back first

	always []testfault.Fault // that a run of a few takes, too
}

// Each line of prepare is a command of the program, after a first sync of the
// old list by the old configuration. Then the new list is offered.
var faultVerbs = []faultVerb{
	{name: "sync", args: []string{"sync"}, config: "old", always: []testfault.Fault{sends("swap", 2)}},
	{name: "sync that moves the rules", args: []string{"sync"}, config: "moved"},
	{name: "ban", args: []string{"ban", "--json", "8.8.8.8", "2a00:1450::/64"}, config: "old", prepare: []string{"ban 9.9.9.9"}},
	{name: "unban", args: []string{"unban", "--json", "9.9.9.9"}, config: "old", prepare: []string{"ban 9.9.9.9 2a00:1450::/64"}},
	{name: "allow", args: []string{"allow", "--json", "5.5.5.5", "9.9.9.9"}, config: "old", prepare: []string{"ban 9.9.9.9"}, always: []testfault.Fault{sends("header", 1), sends("header", 3)}},
	{name: "disallow", args: []string{"disallow", "--json", "5.5.5.5"}, config: "old", prepare: []string{"allow 5.5.5.5"}, always: []testfault.Fault{sends("header", 3)}},
	{name: "apply", args: []string{"firewall", "apply", "--force", "--confirm", "10m"}, config: "base", trial: true},
	{name: "setup", args: []string{"setup", "--yes", "--base", "--local", "192.168.1.0/24", "--confirm", "10m", "--fail2ban", "false"}, config: "setup", trial: true, always: []testfault.Fault{{Kind: testfault.Exec, N: 1, Errno: unix.EAGAIN, On: true, File: "ip6tables-nft-restore"}}},
	{name: "confirm", args: []string{"firewall", "confirm"}, config: "base", prepare: []string{"firewall apply --force --confirm 10m"}, trial: true},
	{name: "rollback", args: []string{"firewall", "rollback"}, config: "base", prepare: []string{"firewall apply --force --confirm 10m"}, trial: true},
	{name: "remove", args: []string{"remove"}, config: "base", prepare: []string{"firewall apply --force --confirm 0"}, heal: []string{"remove"}},
	{name: "migrate", args: []string{"migrate"}, config: "old", prepare: []string{"sync"}, stage: script, heal: []string{"migrate"}},
}

// sends is a kernel that answers no command of a kind to ipset from the n-th on.
func sends(command string, n int) testfault.Fault {
	return testfault.Fault{Kind: testfault.Send, N: n, Errno: unix.ENOBUFS, On: true, File: command}
}

// script is what the published voipbl.sh makes.
const script = `ipset create voipbl hash:net
ipset create voipbl_temp hash:net
ipset add voipbl 7.7.7.7
iptables-nft -I INPUT -m set --match-set voipbl src -j DROP
iptables-nft -N BLACKLIST-INPUT
iptables-nft -A INPUT -j BLACKLIST-INPUT
iptables-nft -A BLACKLIST-INPUT -s 8.8.8.8 -j DROP
`

// picks is how many calls of each kind fail under each verb, one a run.
func picks(t *testing.T) int {
	switch s := os.Getenv("VOIPBL_FAULTS"); s {
	case "":
		return 1
	case "all":
		return 1 << 20
	default:
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			t.Fatalf("VOIPBL_FAULTS=%s: expected a number or all", s)
		}
		return n
	}
}

// TestFaults lets each verb run to its end once, counting its system calls, and
// then again and again, each time on a host of its own, with another call that
// fails: with one error, or with all that follow failing as well, as on a full
// disk; or with which the command is killed. After each run what the kernel holds is the old or the new, set by set
// and table by table, the exit status says so, and one more sync mends all.
//
// VOIPBL_FAULTS is how many calls of a kind fail under a verb; all is each one.
func TestFaults(t *testing.T) {
	testskip.UnlessRoot(t)
	t.Parallel()
	n := picks(t)
	for _, v := range faultVerbs {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			if v.name == "migrate" && len(voipblsh.Lines("/")) > 0 {
				t.Fatal("this machine's own cron runs voipbl.sh, and migrate would take it out: try this on another one")
			}
			dry := dryRun(t, v)
			faults := append(shareOfFaults(t, v.name, dry.calls, n), v.always...)
			eachFault(t, faults, func(t *testing.T, fault testfault.Fault) bool { return runWithFault(t, v, dry, fault) })
		})
	}
}

// eachFault runs a test with each of the faults, side by side, since each has a host of its
// own and waits for the kernel half of its time. The test reports whether a call failed.
func eachFault(t *testing.T, faults []testfault.Fault, run func(*testing.T, testfault.Fault) bool) {
	var hits atomic.Int32
	for _, fault := range faults {
		t.Run(fault.String(), func(t *testing.T) {
			t.Parallel()
			if run(t, fault) {
				hits.Add(1)
			}
		})
	}
	t.Cleanup(func() {
		t.Logf("%d faults of %d", hits.Load(), len(faults))
		if hits.Load() == 0 && !t.Failed() {
			t.Error("no call failed")
		}
	})
}

// shareOfFaults are up to n faults of each kind of call, and kills. If no number is asked for, each test
// takes every third of these.
func shareOfFaults(t *testing.T, verb string, calls map[testfault.Kind]int, n int) []testfault.Fault {
	faults := slices.Concat(chosenFaults(verb, calls, n), kills(calls, n))
	if os.Getenv("VOIPBL_FAULTS") == "" {
		faults = testshare.Every(t, 3, faults)
	}
	return faults
}

// chosenFaults spreads up to n faults over the calls of each kind, the first and the last among them, and
// takes the errors in turn. If there is one only, each verb has its own: all verbs together fail early
// and late, once and for good.
func chosenFaults(verb string, calls map[testfault.Kind]int, n int) (faults []testfault.Fault) {
	for _, k := range testfault.Kinds {
		total := calls[k]
		m := min(n, total)
		if k == testfault.Tool { // of which there are many, and all different
			m = min(2*n, total)
		}
		own := crc32.ChecksumIEEE([]byte(verb + k.String()))
		for i := range m {
			turn := i
			if n == 1 {
				turn += int(own >> 8 & 0xff)
			}
			f := testfault.Fault{Kind: k, N: 1 + int(own)%total, Errno: k.Errnos()[turn%len(k.Errnos())], On: turn%2 == 1}
			if m > 1 {
				f.N = 1 + i*(total-1)/(m-1)
			}
			faults = append(faults, f)
		}
	}
	return faults
}

// everyCall fails each call of the kinds that change files: in a run of a few it is killed at half of
// them, and the others fail; else both.
func everyCall(t *testing.T, cmd *testfault.Command, errno unix.Errno) (faults []testfault.Fault) {
	for _, k := range []testfault.Kind{testfault.Write, testfault.Fsync, testfault.Rename} {
		for n := range cmd.Calls(k) {
			kill, fail := testfault.Fault{Kind: k, N: n + 1}, testfault.Fault{Kind: k, N: n + 1, Errno: errno}
			switch {
			case picks(t) > 1:
				faults = append(faults, kill, fail)
			case (n/2+int(k))%2 == 0:
				faults = append(faults, kill)
			default:
				faults = append(faults, fail)
			}
		}
	}
	if os.Getenv("VOIPBL_FAULTS") == "" {
		faults = testshare.Every(t, 3, faults)
	}
	return faults
}

// kills spreads up to half as many kills over the calls of each kind that change something: the
// command ends when it is about to make that call.
func kills(calls map[testfault.Kind]int, n int) (faults []testfault.Fault) {
	for _, k := range []testfault.Kind{testfault.Write, testfault.Rename, testfault.Send, testfault.Tool} {
		m := min(max(n/2, 1), calls[k])
		for i := range m {
			faults = append(faults, testfault.Fault{Kind: k, N: 1 + (2*i+1)*calls[k]/(2*m)})
		}
	}
	return faults
}

// isKill reports whether a fault is one of those.
func isKill(f testfault.Fault) bool { return f.N > 0 && f.Errno == 0 }

// faultOutcome is what a run without a fault comes to.
type faultOutcome struct {
	calls            map[testfault.Kind]int
	before, after    kernelText
	healed, rebooted kernelText
}

func dryRun(t *testing.T, v faultVerb) (o faultOutcome) {
	t.Run("none", func(t *testing.T) {
		h := newFaultHost(t, v)
		o.before = h.kernel()
		r := h.run(v, testfault.Fault{})
		if r.code != exit.OK {
			t.Fatalf("without a fault it ends with %d: %s", r.code, r.text)
		}
		o.calls, o.after = r.calls, h.kernel()
		o.rebooted = h.rebooted(v)
		h.heal(v)
		o.healed = h.kernel()
	})
	if o.calls == nil {
		t.FailNow()
	}
	return o
}

// runWithFault reports whether a call failed.
func runWithFault(t *testing.T, v faultVerb, dry faultOutcome, fault testfault.Fault) bool {
	h := newFaultHost(t, v)
	if diff := h.kernel().beside(dry.before); diff != "" {
		t.Fatalf("not the host of the first run: %s", diff)
	}
	r := h.run(v, fault)
	if r.failed == "" {
		return false
	}
	tell := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%s failed: %s\nexit %d: %s", r.failed, fmt.Sprintf(format, args...), r.code, r.text)
	}
	now := h.kernel().settled()
	as := []kernelText{dry.before.settled(), dry.after.settled()}
	if r.code == exit.Stale || isKill(fault) || v.name == "setup" || // whose sync comes before the rules
		strings.Contains(r.text, "the sets hold the new lists") {
		// One list may be the old one and the other the new one.
		as = append(as, now.mixed(dry.before, dry.after))
	}
	if diff := now.beside(as...); diff != "" {
		tell("neither as before nor as after: %s", diff)
	}
	if v.name != "remove" && !now.drops() {
		tell("nothing is dropped")
	}
	if r.code < 0 != isKill(fault) || strings.Contains(r.text, "goroutine ") {
		tell("it crashed")
	}
	done := now.beside(dry.after.settled())
	if r.code == exit.OK && done != "" {
		tell("it says that all is well: %s", done)
	}
	if strings.HasPrefix(v.name, "sync") && r.code == exit.NotApplied && !strings.Contains(r.text, "the sets hold the new lists") {
		for _, set := range []string{"voip_bl", "voip_bl6"} {
			if now["set "+set] != dry.before["set "+set] && !strings.Contains(r.text, set+" holds the new list all the same") {
				tell("it says that nothing was applied: %s", now["set "+set])
			}
		}
	}
	if r.inForce && now["set voip_ban"]+now["set voip_ban6"] != dry.after["set voip_ban"]+dry.after["set voip_ban6"] {
		tell("it says in force: %s", done)
	}
	if disk := slices.Contains([]testfault.Kind{testfault.Write, testfault.Fsync, testfault.Rename}, fault.Kind); disk && !isKill(fault) && !r.inForce && (v.name == "ban" || v.name == "allow" && !strings.Contains(r.text, "neither to state_dir nor to run_dir")) {
		tell("a disk that fails lets the attacker stay, or cuts the friend off")
	}
	if v.name == "setup" {
		if out, code := h.voipbl(v.config, "config", "check"); code != exit.OK {
			tell("its configuration is of no use: %s", out)
		}
	}
	if r.code == exit.OK && v.name != "remove" {
		if diff := h.rebooted(v).beside(dry.rebooted); diff != "" {
			tell("it is lost by a reboot: %s", diff)
		}
	}
	if out, code := h.heal(v); code != exit.OK || strings.Contains(out, "damaged") {
		tell("and what should heal it ends with %d: %s", code, out)
	}
	healed := h.kernel()
	if diff := healed.beside(dry.before, dry.after, dry.healed); diff != "" {
		tell("afterwards: %s", diff)
	}
	if diff := healed.beside(dry.healed); diff != "" && (r.code == exit.OK || !strings.HasSuffix(v.name, "ban") && !strings.HasSuffix(v.name, "allow")) {
		tell("it is not in force afterwards: %s", diff)
	}
	return true
}

// faultHost is a host that a verb runs on.
type faultHost struct {
	t      *testing.T
	dir    string
	server *feedServer
}

const faultConfig = `state_dir: %[1]s/state
run_dir: %[1]s/run
feeds:
  - {name: far, url: "http://127.0.0.1:8080/list", insecure: true, min_entries: 1}
  - {name: near, path: %[1]s/near}
`

func newFaultHost(t *testing.T, v faultVerb) *faultHost {
	testns.Enter(t)
	h := &faultHost{t: t, dir: t.TempDir()}
	t.Cleanup(h.killAll)
	h.serve()
	base := "firewall: {base: true, local_networks: [192.168.1.0/24]}\n"
	renamed := "set: pbx_bl\nban_set: pbx_ban\n"
	for name, more := range map[string]string{"old": "", "moved": "firewall: {drop_at: prerouting}\n", "base": base, "renamed": renamed, "setup": ""} {
		writeFile(t, filepath.Join(h.dir, name+".yaml"), fmt.Sprintf(faultConfig, h.dir)+more)
	}
	h.offer("5.5.5.5\n2a00:1::/32\n", "6.6.6.6\n")
	h.must("old", "sync")
	for _, line := range v.prepare {
		h.must(v.config, strings.Fields(line)...)
	}
	h.do("set -e\n" + v.stage)
	if len(v.prepare) == 0 || v.name == "unban" || v.name == "ban" {
		h.offer("5.5.5.5\n7.7.7.0/24\n2a00:2::/32\n", "6.6.6.9\n")
	}
	return h
}

func (h *faultHost) serve() {
	server, err := startFeedServer(h.dir)
	if err != nil {
		h.t.Fatal(err)
	}
	h.server = server
	h.t.Cleanup(server.close)
}

func (h *faultHost) offer(far, near string) {
	writeFile(h.t, filepath.Join(h.dir, "far"), far)
	writeFile(h.t, filepath.Join(h.dir, "near"), near)
	h.server.set("list", behaviour{"ok", filepath.Join(h.dir, "far")})
}

// killAll ends the process that takes rules on trial back.
func (h *faultHost) killAll() {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		line, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil && pid != os.Getpid() && strings.Contains(string(line), h.dir) {
			unix.Kill(pid, unix.SIGKILL)
		}
	}
}

func (h *faultHost) arguments(config string, args []string) []string {
	return append([]string{"--config", filepath.Join(h.dir, config+".yaml")}, args...)
}

// environment has each command come by an SSH connection of its own, from where
// the base rules let it in.
func (h *faultHost) environment(confirm bool) []string {
	port := map[bool]int{false: 50022, true: 50023}[confirm]
	return append(os.Environ(), "NO_COLOR=1", fmt.Sprintf("SSH_CONNECTION=192.168.1.5 %d 192.168.1.1 22", port))
}

func (h *faultHost) voipbl(config string, args ...string) (string, int) {
	cmd := exec.Command("voipbl", h.arguments(config, args)...)
	cmd.Env = h.environment(false)
	// A file, for a child that stays would keep a pipe open.
	out, err := os.CreateTemp(h.dir, "out")
	if err != nil {
		h.t.Fatal(err)
	}
	defer os.Remove(out.Name())
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		h.t.Fatal(err)
	}
	text, err := os.ReadFile(out.Name())
	if err != nil {
		h.t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

func (h *faultHost) must(config string, args ...string) {
	if out, code := h.voipbl(config, args...); code != exit.OK {
		h.t.Fatalf("%v: exit %d: %s", args, code, out)
	}
}

// faultRun is what a run with a fault came to.
type faultRun struct {
	code    int
	text    string // standard output and standard error
	calls   map[testfault.Kind]int
	failed  string // the call that failed
	inForce bool   // as it says itself
}

func (h *faultHost) run(v faultVerb, fault testfault.Fault) faultRun {
	return h.runWith(v, fault, nil)
}

// runWith is run, with something done while the command is stopped at the call of the fault.
func (h *faultHost) runWith(v faultVerb, fault testfault.Fault, meanwhile func()) faultRun {
	reached, goOn, ended := make(chan bool, 1), make(chan bool), make(chan bool)
	var cmd *testfault.Command
	if meanwhile == nil && isKill(fault) {
		meanwhile = func() { cmd.Process.Kill() }
	}
	if meanwhile != nil {
		fault.At = func() { reached <- true; <-goOn }
	}
	cmd = testfault.New(fault, "voipbl", h.arguments(v.config, v.args)...)
	cmd.Env = h.environment(v.name == "confirm")
	out, err := os.Create(filepath.Join(h.dir, "out"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	go func() { cmd.Wait(); close(ended) }()
	if meanwhile != nil {
		select {
		case <-reached:
			meanwhile()
		case <-ended:
		}
		close(goOn)
	}
	<-ended
	text, err := os.ReadFile(out.Name())
	if err != nil {
		h.t.Fatal(err)
	}
	r := faultRun{code: cmd.ProcessState.ExitCode(), text: string(text), failed: cmd.Failed(), calls: map[testfault.Kind]int{}}
	for _, k := range testfault.Kinds {
		r.calls[k] = cmd.Calls(k)
	}
	var report struct {
		InForce bool `json:"in_force"`
	}
	if start := strings.Index(r.text, "{"); start >= 0 {
		json.NewDecoder(strings.NewReader(r.text[start:])).Decode(&report)
	}
	r.inForce = report.InForce
	return r
}

// heal does what an admin or cron does next.
func (h *faultHost) heal(v faultVerb) (string, int) {
	if v.heal != nil {
		return h.voipbl(v.config, v.heal...)
	}
	config := v.config
	if v.trial {
		h.voipbl(config, "firewall", "rollback")
		config = "old"
	}
	return h.voipbl(config, "sync")
}

// rebooted is what the kernel would hold after a boot: with nothing of what runs,
// after what the unit does first. The host is then as it was.
func (h *faultHost) rebooted(v faultVerb) kernelText {
	before, err := netns.Get()
	if err != nil {
		h.t.Fatal(err)
	}
	defer before.Close()
	h.do("cp -a state state.kept && mv run run.kept")
	if err := testns.Unshare(); err != nil {
		h.t.Fatal(err)
	}
	h.voipbl(v.config, "sync", "--offline")
	k := h.kernel()
	if err := netns.Set(before); err != nil {
		h.t.Fatal(err)
	}
	h.do("rm -rf state run && mv state.kept state && mv run.kept run")
	return k
}

func (h *faultHost) do(script string) {
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = h.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		h.t.Fatalf("%s: %v: %s", script, err, out)
	}
}
