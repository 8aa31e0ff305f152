package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/state"
)

// Addresses of the staged hosts: of the lists, of nobody, and of allow.
const (
	onList, onNoList, onAllow = "5.5.5.5", "7.7.7.7", "9.9.9.9"
	onList6, onNoList6        = "2a00:1::5", "2a00:7::7"

	firstList  = onList + "\n6.6.6.0/24\n2a00:1::/48\n"
	secondList = firstList + "4.4.4.0/24\n" // so that mending it alone is enough
)

// stage is a host that is brought into one trouble after the other.
type stage struct {
	*host
	file  string // that the agent reads
	other string // another one
	twin  string // one that says what the agent goes by
	root  string // of a machine without a PBX

	base     string
	good     string // the configuration that everything begins with
	terminal *os.File

	running *runningAgent
	stopped bool // the agent is, by SIGSTOP

	away    []string // programs of iptables that are not installed
	strayed bool     // rules are in the other backend, too
	well    bool     // all was well when the last row had ended
	healthy string   // the rules of a host without trouble
	row     trouble
	met     map[string]int // how often the row has carried out each remedy
	asked   string         // the file that the row's questions name
}

const (
	// patience is for what happens within seconds on a machine that is not busy.
	patience = 90 * time.Second
)

// newStage is a host for rows like this one.
func newStage(t *testing.T, row trouble) *stage {
	testns.Enter(t)
	ownMounts(t)
	h := hostHere(t, row.tools())
	s := &stage{host: h, row: row, base: row.Base, terminal: openTerminal(t), root: filepath.Join(h.dir, "root")}
	s.file, s.other, s.twin = filepath.Join(h.dir, "voipbl.yaml"), filepath.Join(h.dir, "other.yaml"), filepath.Join(h.dir, "twin.yaml")
	s.ownTools()
	s.writeConfigurations()
	if err := os.MkdirAll(filepath.Join(s.root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.list(firstList)
	s.second(secondList)
	h.must("ip", "link", "add", "wire0", "type", "veth", "peer", "name", "wire1")
	h.must("ip", "addr", "add", "192.168.7.2/24", "dev", "wire0")
	h.must("ip", "link", "set", "wire0", "up")
	s.must("voipbl", "--config", s.file, "sync", "--sets-only")
	s.must("voipbl", "--config", s.file, "firewall", "apply", "--confirm", "0", "--force")
	s.must("voipbl", "--config", s.file, "sync")
	if row.Agent != "none" {
		s.start()
	}
	return s
}

// writeConfigurations makes the row's files, and reports whether one was otherwise.
func (s *stage) writeConfigurations() (changed bool) {
	s.t.Helper()
	s.good = s.text("allow: ["+onAllow+"]\n", s.base == "on", "")
	for name, text := range map[string]string{
		s.file: s.good, s.twin: s.good, s.other: s.text("allow: ["+onAllow+", 8.8.8.8]\n", s.base == "on", ""),
	} {
		changed = s.replaceIfOther(name, text) || changed
	}
	return changed
}

// replaceIfOther gives a file its text, and reports whether it had another.
func (s *stage) replaceIfOther(name, text string) bool {
	s.t.Helper()
	if now, err := os.ReadFile(name); err == nil && string(now) == text {
		return false
	}
	replaceFile(s.t, name, text)
	return true
}

// text is a configuration.
func (s *stage) text(head string, base bool, more string) string {
	return fmt.Sprintf(`state_dir: %[1]s/state
run_dir: %[1]s/run
%[2]sfeeds: [{name: mine, path: %[1]s/list}, {name: second, path: %[1]s/second}]
metrics: {listen: ""}
firewall:
  backend: %[5]s
  drop_at: %[6]s
  base: %[3]v
  local_networks: [192.168.7.0/24]
%[4]s`, s.dir, head, base, more, s.row.Backend, s.row.Drop)
}

func (s *stage) write(text string)  { replaceFile(s.t, s.file, text) }
func (s *stage) broken() string     { return strings.Replace(s.good, "/second}]", "/second}", 1) }
func (s *stage) list(text string)   { replaceFile(s.t, filepath.Join(s.dir, "list"), text) }
func (s *stage) second(text string) { replaceFile(s.t, filepath.Join(s.dir, "second"), text) }

// ownMounts keeps what this thread mounts from everybody else.
func ownMounts(t *testing.T) {
	t.Helper()
	err := unix.Unshare(unix.CLONE_NEWNS)
	if err == nil {
		err = unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	}
	if err != nil {
		t.Fatal("mounts of the test's own: ", err)
	}
}

// tools are the programs that the row takes away: the one of both families that iptables is,
// or what is called as those of IPv6.
func (s *stage) tools() (names []string) {
	if s.row.Family == "IPv4" {
		return []string{"xtables-" + s.backend + "-multi"}
	}
	for _, tool := range []string{"ip6tables", "ip6tables-" + s.backend} {
		names = append(names, tool, tool+"-save", tool+"-restore")
	}
	return names
}

const toolsFolder = "/usr/sbin"

// ownTools gives the stage programs of its own, which it can take away.
func (s *stage) ownTools() {
	s.t.Helper()
	layers := s.t.TempDir()
	if err := unix.Mount("tmpfs", layers, "tmpfs", 0, ""); err != nil {
		s.t.Fatal(err)
	}
	var options []string
	for name, folder := range map[string]string{"upperdir": "upper", "workdir": "work"} {
		folder = filepath.Join(layers, folder)
		if err := os.Mkdir(folder, 0o755); err != nil {
			s.t.Fatal(err)
		}
		options = append(options, name+"="+folder)
	}
	options = append(options, "lowerdir="+toolsFolder)
	if err := unix.Mount("overlay", toolsFolder, "overlay", 0, strings.Join(options, ",")); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		unix.Unmount(toolsFolder, unix.MNT_DETACH)
		unix.Unmount(layers, unix.MNT_DETACH)
	})
}

// takeTools takes programs of iptables away, for the host and its agent.
func (s *stage) takeTools() {
	s.t.Helper()
	s.away = s.tools()
	for _, name := range s.away {
		s.must("mv", filepath.Join(toolsFolder, name), filepath.Join(toolsFolder, name+".away"))
	}
}

// giveTools is what apt does.
func (s *stage) giveTools() {
	s.t.Helper()
	for _, name := range s.away {
		s.must("mv", filepath.Join(toolsFolder, name+".away"), filepath.Join(toolsFolder, name))
	}
	s.away = nil
}

// iptables is the tool of the family that the row is about.
func (s *stage) iptables() string {
	return map[string]string{"IPv4": "iptables-", "IPv6": "ip6tables-"}[s.row.Family] + s.backend
}

// set is the set of that family.
func (s *stage) set() string {
	return map[string]string{"IPv4": "voip_bl", "IPv6": "voip_bl6"}[s.row.Family]
}

// ufw are the chains of that firewall, by tool.
func (s *stage) ufw() map[string]string {
	return map[string]string{"iptables-" + s.backend: "ufw-before-input", "ip6tables-" + s.backend: "ufw6-before-input"}
}

// replaceFile writes a file as editors do, never half.
func replaceFile(t testing.TB, name, text string) {
	t.Helper()
	writeFile(t, name+"~", text)
	if err := os.Rename(name+"~", name); err != nil {
		t.Fatal(err)
	}
}

func (s *stage) start() {
	s.t.Helper()
	s.running, s.stopped = s.startAgent(s.file), false
	s.running.told("READY=1", patience)
	s.running.notify.SetReadDeadline(time.Time{})
	go io.Copy(io.Discard, s.running.notify) // systemd always reads
}

// end ends the agent as "systemctl stop" does.
func (s *stage) end() {
	s.t.Helper()
	if s.running == nil {
		return
	}
	s.resume()
	s.running.end(syscall.SIGTERM)
	s.running = nil
}

func (s *stage) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.running.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// hang stops the agent while it holds no lock: one that holds the lock of the rules keeps
// everybody else from them until it is restarted, which state.TestAgentHoldsLock has.
func (s *stage) hang() {
	s.t.Helper()
	if !testpoll.Until(time.Minute, func() bool {
		s.signal(syscall.SIGSTOP)
		s.stopped = true
		var status unix.WaitStatus
		if _, err := unix.Wait4(s.running.cmd.Process.Pid, &status, unix.WUNTRACED, nil); err != nil || !status.Stopped() {
			s.t.Fatalf("the agent has not stopped: %v, %v", status, err)
		}
		for _, name := range []string{state.MainLock, state.SetsLock, state.RulesLock, state.BansLock} {
			unlock, err := state.Lock(s.t.Context(), s.dir+"/run", name, "the test", 0, nil)
			if err != nil {
				s.resume()
				return false
			}
			unlock()
		}
		return true
	}) {
		s.t.Fatal("the agent always holds a lock")
	}
}

func (s *stage) resume() {
	if s.running != nil && s.stopped {
		s.signal(syscall.SIGCONT)
		s.stopped = false
	}
}

// play brings the host into a row's trouble, asks, and carries the remedies out.
func (s *stage) play(row trouble) {
	s.t.Helper()
	s.row, s.met = row, make(map[string]int)
	s.heal()
	s.bring()
	a := s.askStill()
	s.t.Logf("%s\n%s", row, a)
	s.judge(a)
	hung := s.stopped
	if !hung {
		s.letIn(a)
	}
	s.follow(a)
	if hung && s.well {
		s.letIn(s.ask(func(q question) bool { return q.args[0] == "check" }))
	}
}

// heal makes the host what it was in the beginning.
func (s *stage) heal() {
	s.t.Helper()
	owned := strings.Contains(s.must("nft", "list", "tables"), "inet filter") // which need not be a trouble
	well := s.well && !s.strayed && !owned && s.rules() == s.healthy
	s.well = false
	well = !s.writeConfigurations() && well
	for name, text := range map[string]string{s.dir + "/list": firstList, s.dir + "/second": secondList} {
		well = !s.replaceIfOther(name, text) && well
	}
	if well && !s.stopped && (s.row.Agent == "none") == (s.running == nil) {
		return
	}
	s.giveTools()
	if (s.row.Agent == "none") != (s.running == nil) {
		if s.end(); s.row.Agent != "none" {
			s.start()
		}
	}
	s.resume()
	if s.running == nil {
		os.RemoveAll(filepath.Join(s.dir, "state"))
		os.RemoveAll(filepath.Join(s.dir, "run"))
	}
	s.must("nft", "flush", "ruleset")
	if s.backend == "legacy" || s.strayed {
		s.strayed = false
		for _, tool := range []string{"iptables-legacy-restore", "ip6tables-legacy-restore"} {
			s.must("sh", "-ec", "printf '*filter\nCOMMIT\n*raw\nCOMMIT\n' | "+tool)
		}
	}
	for _, set := range []string{"voip_bl", "voip_bl6"} {
		if strings.Contains(s.must("ipset", "list", "-n"), set+"\n") && !strings.Contains(s.must("ipset", "list", "-t", set), "Type: hash:net") {
			s.run("ipset", "destroy", set)
		}
	}
	if s.running != nil {
		s.await("the agent goes by the file again", func() bool {
			_, code := s.run("voipbl", "--config", s.file, "reload")
			return code == 0 || code == exit.Stale // the base rules wait for an apply
		})
	}
	s.must("voipbl", "--config", s.file, "sync", "--sets-only")
	s.must("voipbl", "--config", s.file, "firewall", "apply", "--confirm", "0", "--force")
	s.must("voipbl", "--config", s.file, "sync")
	s.await("a host without trouble", func() bool {
		out, code := s.run("voipbl", "--config", s.file, "status")
		if code != exit.OK {
			s.t.Log(out)
		}
		return code == exit.OK
	})
	s.healthy = s.rules()
}

// edited is the configuration after an admin has added something.
func (s *stage) edited() string {
	if s.base == "on" {
		return s.text("allow: ["+onAllow+"]\n", true, "  services: [{name: ssh, proto: tcp, ports: \"22\", from: lan}]\n")
	}
	return s.text("allow: ["+onAllow+"]\n", true, "")
}

// lessened is the configuration after an admin has removed something that protects.
func (s *stage) lessened() string {
	if s.base == "on" {
		return s.text("allow: ["+onAllow+"]\n", false, "")
	}
	return s.text("", false, "")
}

// bring brings a healthy host into the row's trouble.
func (s *stage) bring() {
	s.t.Helper()
	s.asked = s.file
	switch s.row.Agent {
	case "refused":
		s.write(s.lessened())
		s.awaitStatus("the agent refuses what takes protection away", `takes away`)
	case "hung":
		s.hang()
	}
	switch s.row.Config {
	case "same":
		if s.row.Agent == "refused" {
			s.asked = s.twin
		}
	case "edited":
		if s.row.Agent == "refused" {
			break
		}
		s.write(s.edited())
		if s.row.Agent == "running" {
			s.awaitStatus("the agent has taken the edit over", `the base rules (are new|have changed)`)
		}
	case "broken":
		s.write(s.broken())
		if s.row.Agent == "running" || s.row.Agent == "refused" {
			s.awaitStatus("the agent has seen the mistake", `goes on with the old configuration: .*voipbl.yaml:`)
		}
	case "other":
		s.asked = s.other
	}
	s.bringLists()
	s.bringRules()
	switch s.row.Sets {
	case "flushed":
		s.must("ipset", "flush", s.set())
	case "foreign":
		s.replaceSet("ipset create " + s.set() + map[string]string{"IPv4": " hash:ip", "IPv6": " hash:ip family inet6"}[s.row.Family])
	case "missing":
		s.replaceSet("true")
	}
	if s.row.Rules == "toolless" {
		s.takeTools()
	}
}

// bringLists comes before what a sync puts right: without an agent nobody else sees that a
// list has changed.
func (s *stage) bringLists() {
	s.t.Helper()
	sees := s.row.Agent != "none" && s.row.Agent != "hung"
	if s.row.Sets == "unlisted" {
		s.list("# nobody\n")
		s.second("# nobody\n")
		if !sees {
			s.run("voipbl", "--config", s.twin, "sync")
		}
		s.await("the lists have been read", func() bool {
			return len(s.members("voip_bl")) == 0 && len(s.members("voip_bl6")) == 0
		})
	}
	if s.row.Lists == "failing" {
		if err := os.Remove(filepath.Join(s.dir, "second")); err != nil {
			s.t.Fatal(err)
		}
		if !sees {
			s.run("voipbl", "--config", s.twin, "sync")
		}
		s.awaitStatus("it is known that the list is gone", `feed second: `)
	}
}

func (s *stage) bringRules() {
	s.t.Helper()
	early := s.base == "off" && s.row.Drop == "prerouting" // no rule of ours is in INPUT
	switch s.row.Rules {
	case "drifted":
		friend := map[string]string{"IPv4": onAllow, "IPv6": "2a00:9::9"}[s.row.Family]
		lets := "-I INPUT -s " + friend + " -j ACCEPT"
		if early {
			lets = "-t raw -I PREROUTING -s " + friend + " -j ACCEPT"
		}
		s.must("sh", "-ec", strings.NewReplacer("TOOL", s.iptables(), "LETS", lets).Replace("TOOL -F VOIPBL-INPUT 2>/dev/null || TOOL LETS"))
	case "shadowed":
		switch { // by what stands above the base rules, as on cloud images, or above the drops
		case early:
			s.must(s.iptables(), "-t", "raw", "-I", "PREROUTING", "-j", "ACCEPT")
		case s.base == "off" || s.row.Drop == "prerouting":
			s.must(s.iptables(), "-I", "INPUT", "-j", "REJECT")
		default:
			// With base rules in force, the drops are in raw, and INPUT may have no two rules.
			s.must("sh", "-ec", strings.ReplaceAll("TOOL -I INPUT 3 -j REJECT 2>/dev/null || TOOL -I INPUT -j REJECT", "TOOL", s.iptables()))
		}
	case "ufw":
		for tool, chain := range s.ufw() {
			s.must("sh", "-ec", strings.NewReplacer("TOOL", tool, "CHAIN", chain).Replace("TOOL -N CHAIN; TOOL -A CHAIN -i lo -j ACCEPT; TOOL -A INPUT -j CHAIN"))
		}
	case "native":
		s.must("sh", "-ec", "nft add table inet filter; nft 'add chain inet filter input { type filter hook input priority 0; policy drop; }'; nft add rule inet filter input iif lo accept")
	}
}

var nameOfSet = regexp.MustCompile(`--match-set voip_bl6? `)

// replaceSet takes the set out, with the rules that hold it, puts something else there,
// and the rules back as far as that goes.
func (s *stage) replaceSet(by string) {
	s.t.Helper()
	var out, back []string
	for line := range strings.Lines(s.must(s.iptables() + "-save")) {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "*"):
			out, back = append(out, line), append(back, line)
		case line == "COMMIT":
			out, back = append(out, line), append(back, line)
		case strings.HasPrefix(line, "-A") && nameOfSet.MatchString(line):
			out = append(out, "-D"+line[2:])
			back = append(back, "-I"+line[2:])
		}
	}
	restore := func(lines []string) string {
		return s.iptables() + "-restore --noflush <<'END'\n" + strings.Join(lines, "\n") + "\nEND\n"
	}
	script := restore(out) + "ipset destroy " + s.set() + "\n" + by + "\n"
	if by != "true" {
		script += restore(back)
	}
	s.must("sh", "-ec", script)
}

// await waits until something is so.
func (s *stage) await(what string, so func() bool) {
	s.t.Helper()
	if !testpoll.Until(patience, so) {
		s.t.Fatalf("%s\nnot within %s: %s\n%s", s.row, patience, what, s.rules())
	}
}

// awaitStatus waits until status says something.
func (s *stage) awaitStatus(what, pattern string) {
	s.t.Helper()
	re := regexp.MustCompile(pattern)
	s.await(what, func() bool {
		out, _ := s.run("voipbl", "--config", s.file, "status")
		return re.MatchString(out)
	})
}

// as makes a command one that the row's caller has typed.
func (s *stage) as(caller string, args ...string) *exec.Cmd {
	cmd := exec.Command("voipbl", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Env = append(os.Environ(), "NO_COLOR=1", "TZ=UTC")
	switch caller {
	case "terminal":
		cmd.Stdin = s.terminal
	case "ssh":
		cmd.Env = append(cmd.Env, "SSH_CONNECTION=192.168.7.5 50022 192.168.7.2 22")
	}
	return cmd
}

// openTerminal makes a terminal that nobody types at, and returns the side of programs.
func openTerminal(t *testing.T) *os.File {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return slave
}
