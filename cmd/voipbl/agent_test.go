package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/testshare"
)

// runningAgent is "voipbl run" in a host of a test.
type runningAgent struct {
	*host
	config string
	cmd    *exec.Cmd
	begun  time.Time
	notify *net.UnixConn // what systemd would listen to

	mu  sync.Mutex
	log bytes.Buffer
}

// Write collects the log.
func (r *runningAgent) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(p)
}

func (r *runningAgent) logged() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

// startAgent starts it, as systemd would.
func (h *host) startAgent(config string, env ...string) *runningAgent {
	h.t.Helper()
	r := &runningAgent{host: h, config: config, begun: time.Now()}
	// An abstract address: a path of a test's folder may be too long for one.
	name := fmt.Sprintf("@voipbl-test-%d-%d", os.Getpid(), r.begun.UnixNano())
	var err error
	if r.notify, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"}); err != nil {
		h.t.Fatal(err)
	}
	r.cmd = exec.Command("voipbl", "--config", config, "run", "--verbose")
	r.cmd.Env = append(append(os.Environ(), "NOTIFY_SOCKET="+name, "JOURNAL_STREAM=1:1"), env...)
	r.cmd.Stderr = r
	if err := r.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		r.notify.Close()
		if r.cmd.ProcessState == nil {
			r.cmd.Process.Kill()
			r.cmd.Wait()
		}
		if h.t.Failed() {
			h.t.Logf("the agent's log:\n%s", r.logged())
		}
	})
	return r
}

// told waits until the agent sends systemd a line, and returns the time since the start.
func (r *runningAgent) told(line string, within time.Duration) time.Duration {
	r.t.Helper()
	buf := make([]byte, 4096)
	for deadline := time.Now().Add(within); ; {
		r.notify.SetReadDeadline(deadline)
		n, err := r.notify.Read(buf)
		if err != nil {
			r.t.Fatalf("not told within %s: %s\n%s", within, line, r.logged())
		}
		if strings.Contains("\n"+string(buf[:n])+"\n", "\n"+line+"\n") {
			return time.Since(r.begun)
		}
	}
}

// end sends a signal and waits for the end of the process.
func (r *runningAgent) end(sig syscall.Signal) int {
	r.t.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil {
		r.t.Fatal(err)
	}
	r.cmd.Wait()
	return r.cmd.ProcessState.ExitCode()
}

func (r *runningAgent) voipbl(args ...string) (string, int) {
	r.t.Helper()
	return r.run("voipbl", append([]string{"--config", r.config}, args...)...)
}

func (r *runningAgent) status() blocklist.Status {
	r.t.Helper()
	out, _ := r.voipbl("status", "--json")
	var s blocklist.Status
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		r.t.Fatalf("%v: %s", err, out)
	}
	return s
}

// far is a list from the network, and the server that has it.
type far struct {
	*feedServer
	file string
}

// farFeed is the line of a configuration about it.
const farFeed = `{name: far, url: "http://127.0.0.1:8080/list", insecure: true}`

// nearFeed is the line about the host's local list.
func (h *host) nearFeed() string { return fmt.Sprintf("{name: mine, path: %s/list}", h.dir) }

// startFar offers a list.
func (h *host) startFar(text string) far {
	h.t.Helper()
	server, err := startFeedServer(h.dir)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(server.close)
	f := far{server, filepath.Join(h.dir, "far")}
	writeFile(h.t, f.file, text)
	f.become("ok")
	return f
}

// become makes the server behave in another way from now on.
func (f far) become(kind string) { f.set("list", behaviour{kind, f.file}) }

// configure writes a configuration of its own for the agent, with feeds, each a line,
// and what else is to be in it.
func (h *host) configure(more string, feeds ...string) (file string) {
	h.t.Helper()
	text := fmt.Sprintf("state_dir: %[1]s/state\nrun_dir: %[1]s/run\n%[2]sfeeds:\n", h.dir, more)
	for _, f := range feeds {
		text += "  - " + f + "\n"
	}
	file = filepath.Join(h.dir, "agent.yaml")
	writeFile(h.t, file, text)
	return file
}

// members are the entries of a set.
func (h *host) members(set string) []string {
	h.t.Helper()
	var found []string
	for line := range strings.Lines(h.must("ipset", "save", set)) {
		if fields := strings.Fields(line); fields[0] == "add" {
			found = append(found, fields[2])
		}
	}
	slices.Sort(found) // the kernel has no order
	return found
}

// TestAgentStart: whatever the network does, the agent is ready long before a fetch would
// be given up, and ready means protected from the last good copy.
func TestAgentStart(t *testing.T) {
	for _, network := range []string{"none", "dead DNS", "hanging feed", "hanging DNS"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, "nft")
			far := h.startFar("6.6.6.0/24\n6.6.8.8\n")
			const more = "limits: {timeout: 5m}\nallow: [localhost, never.invalid]\n"
			config := h.configure(more, farFeed, h.nearFeed())
			h.run("voipbl", "--config", config, "sync")
			h.must("voipbl", "--config", config, "check", "6.6.6.6")
			h.must("voipbl", "--config", h.drop, "remove") // as a boot would
			switch network {
			case "none":
				h.must("ip", "link", "set", "lo", "down")
			case "hanging feed":
				far.become("hang")
			case "dead DNS":
				h.configure(more, strings.Replace(farFeed, "127.0.0.1", "list.invalid", 1), h.nearFeed())
			case "hanging DNS":
				// A name server that takes questions and never answers.
				silent, err := net.ListenPacket("udp", "127.0.0.1:53")
				if err != nil {
					t.Fatal(err)
				}
				defer silent.Close()
				h.configure(more, strings.Replace(farFeed, "127.0.0.1", "list.example.net", 1), h.nearFeed())
			}
			r := h.startAgent(config)
			r.told("READY=1", time.Minute)
			h.must("ipset", "test", "voip_bl", "5.5.5.5")
			h.must("ipset", "test", "voip_bl", "6.6.8.8")
			if !strings.Contains(h.rules(), "-A INPUT -m set --match-set voip_bl src") {
				t.Errorf("ready, and no rule:\n%s", h.rules())
			}
			// Even while it fetches, it answers at once, and ends on a signal.
			if s := r.status(); s.Agent == nil || s.Agent.PID != r.cmd.Process.Pid || !s.Protected {
				t.Errorf("status: %+v", s)
			}
			if code := r.end(syscall.SIGTERM); code != 0 {
				t.Errorf("ended with %d", code)
			}
			h.must("ipset", "test", "voip_bl", "6.6.8.8")
			if !strings.Contains(h.rules(), "-A INPUT -m set --match-set voip_bl src") {
				t.Errorf("protection ended with the agent:\n%s", h.rules())
			}
		})
	}
}

// TestAgentFirstStart: without any copy the sets are empty, the rules are there, and
// the feeds are fetched at once, or as soon as there is a network.
func TestAgentFirstStart(t *testing.T) {
	t.Parallel()
	h := newHost(t, "nft")
	listener, err := net.Listen("tcp", "0.0.0.0:8081")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "6.6.6.0/24") })}
	go server.Serve(listener)
	defer server.Close()
	h.must("voipbl", "--config", h.drop, "remove")
	h.must("rm", "-r", filepath.Join(h.dir, "state"), filepath.Join(h.dir, "run"))
	config := h.configure("", strings.Replace(farFeed, "127.0.0.1:8080", "9.9.9.10:8081", 1))
	r := h.startAgent(config)
	r.told("READY=1", time.Minute)
	if !strings.Contains(h.rules(), "-A INPUT -m set --match-set voip_bl src") || len(h.members("voip_bl")) != 0 {
		t.Errorf("at first: %v\n%s", h.members("voip_bl"), h.rules())
	}
	h.eventually("the first attempt has failed", 30*time.Second, func() bool { return strings.Contains(r.logged(), "feed is not fresh") })
	if out, code := r.voipbl("status"); code != exitNotProtected || !strings.Contains(out, "unreachable") {
		t.Errorf("status ends with %d: %s", code, out)
	}
	// Its next tick is hours away, and its next attempt a minute.
	h.must("ip", "address", "add", "9.9.9.10/32", "dev", "lo")
	h.eventually("the list is in force", 30*time.Second, func() bool { return len(h.members("voip_bl")) == 1 })
}

// TestOneSwap: feeds that finish together are applied together.
func TestOneSwap(t *testing.T) {
	t.Parallel()
	h := newHost(t, "nft")
	far := h.startFar("")
	feeds := []string{h.nearFeed()}
	for i := range 5 {
		name := fmt.Sprintf("far%d", i)
		writeFile(t, filepath.Join(h.dir, name), fmt.Sprintf("6.6.%d.1\n", i))
		far.set(name, behaviour{"ok", filepath.Join(h.dir, name)})
		feeds = append(feeds, fmt.Sprintf("{name: %[1]s, url: \"http://127.0.0.1:8080/%[1]s\", insecure: true}", name))
	}
	config := h.configure("", feeds...)
	r := h.startAgent(config)
	r.told("READY=1", time.Minute)
	h.eventually("all five are in force", 20*time.Second, func() bool { return len(h.members("voip_bl")) == 6 })
	h.eventually("the agent has noted it", 20*time.Second, func() bool { return r.status().Agent.Applies.Written > 0 })
	if a := r.status().Agent.Applies; a.Written != 1 {
		t.Errorf("written %d times: %+v\n%s", a.Written, a, r.logged())
	}
}

// TestStaleIsShouted: every command that reports on lists reports one that has silently stopped.
func TestStaleIsShouted(t *testing.T) {
	t.Parallel()
	h := newHost(t, "nft")
	far := h.startFar("6.6.6.0/24\n")
	config := h.configure("", strings.Replace(farFeed, "}", `, schedule: "@every 1h", splay: 0}`, 1))
	h.must("voipbl", "--config", config, "sync")
	far.become("404")

	// As if that had been half a day ago.
	file := filepath.Join(h.dir, "state", "far.state")
	var state map[string]any
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &state)
	}
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-12 * time.Hour).UTC().Format(time.RFC3339)
	state["last_success"], state["last_attempt"] = old, old
	if text, err = json.Marshal(state); err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, string(text))

	r := h.startAgent(config)
	r.told("READY=1", time.Minute)
	h.eventually("the journal has it", 10*time.Second, func() bool { return strings.Contains(r.logged(), "<3>feed is STALE") })
	h.eventually("the missed fetch was made up, and failed", 10*time.Second, func() bool { return strings.Contains(r.logged(), "reason=status") })
	if out, code := r.voipbl("status"); code != exit.Stale || !strings.Contains(out, "feed far is STALE") || !strings.Contains(out, "STALE, status") {
		t.Errorf("status ends with %d: %s", code, out)
	}
	if v := r.scrape()[`voipbl_feed_stale{feed="far"}`]; v != 1 {
		t.Errorf("the metric is %v", v)
	}
	h.must("ipset", "test", "voip_bl", "6.6.6.1")

	far.become("ok")
	h.must("voipbl", "--config", config, "sync")
	h.eventually("the journal has that it is over", 2*time.Minute, func() bool { return strings.Contains(r.logged(), "feed is no longer stale") })
	if out, code := r.voipbl("status"); code != 0 {
		t.Errorf("status ends with %d: %s", code, out)
	}
}

// TestAgentRepairs changes voipbl's rules and sets while the agent runs.
func TestAgentRepairs(t *testing.T) {
	t.Parallel()
	for _, backend := range testshare.First(t, []string{"nft", "legacy"}) {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			testRepairs(t, backend)
		})
	}
}

func testRepairs(t *testing.T, backend string) {
	const within = 15 * time.Second // DESIGN §10
	h := newHost(t, backend)
	iptables, restore := "iptables-"+backend, "iptables-"+backend+"-restore"
	writeFile(t, filepath.Join(h.dir, "list"), "5.5.5.5\n5.5.6.0/24\n5.5.8.8\n6.7.8.9\n")
	h.must("sh", "-c", fmt.Sprintf("SSH_CONNECTION='192.168.1.5 1 192.168.1.1 22' voipbl --config %s sync", h.base))
	r := h.startAgent(h.base)
	r.told("READY=1", time.Minute)
	rules, members := h.rules(), h.members("voip_bl")
	foreign := filepath.Join(h.dir, "foreign")
	writeFile(t, foreign, "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A PREROUTING -s 9.8.7.6/32 -j ACCEPT\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n")

	repairs := 0
	for _, c := range []struct {
		what   string
		do     [][]string
		says   string // in the log
		others bool   // what somebody else has is gone as well, or new
	}{
		{"INPUT flushed", [][]string{{iptables, "-F", "INPUT"}}, "a rule was missing: the base rules, which end in DROP", true},
		{"PREROUTING flushed", [][]string{{iptables, "-t", "raw", "-F", "PREROUTING"}}, "a rule was missing: drop what comes from blocked addresses", true},
		{"our rule deleted", [][]string{{iptables, "-t", "raw", "-D", "PREROUTING", "1"}}, "a rule was missing: drop what comes from blocked addresses", true},
		{"a rule above ours", [][]string{{iptables, "-t", "raw", "-I", "PREROUTING", "1", "-s", "9.9.9.9", "-j", "ACCEPT"}}, ": -s 9.9.9.9/32 -j ACCEPT", true},
		{"our chain flushed", [][]string{{iptables, "-F", "VOIPBL-INPUT"}}, "a rule was missing", true},
		{"foreign ruleset restored", [][]string{{restore, foreign}}, "a rule was missing: drop what comes from blocked addresses", true},
		{"set destroyed", [][]string{{iptables, "-t", "raw", "-F"}, {"ip6tables-" + backend, "-t", "raw", "-F"}, {iptables, "-F"}, {"ip6tables-" + backend, "-F"}, {iptables, "-X"}, {"ip6tables-" + backend, "-X"}, {"ipset", "destroy", "voip_bl"}}, "the set voip_bl was gone", true},
		{"a rule in between, and ours moved below", [][]string{{iptables, "-t", "raw", "-I", "PREROUTING", "1", "-s", "9.8.7.6", "-j", "ACCEPT"}}, ": -s 9.8.7.6/32 -j ACCEPT", true},
		{"set flushed", [][]string{{"ipset", "flush", "voip_bl"}}, "the set voip_bl lacked 4 entries", false},
		{"set swapped", [][]string{{"sh", "-c", "ipset create other hash:net counters maxelem 1048576 && for a in 1.1.1.1 2.2.2.2 3.3.3.3 4.4.4.4; do ipset add other $a; done && ipset swap other voip_bl && ipset destroy other"}}, "the set voip_bl lacked 4 entries and had 4 that voipbl did not add", false},
		{"entries deleted", [][]string{{"ipset", "del", "voip_bl", "5.5.5.5"}, {"ipset", "del", "voip_bl", "6.7.8.9"}}, "the set voip_bl lacked 2 entries", false},
		{"set replaced by one with the same entries", [][]string{{"sh", "-c", "ipset save voip_bl | sed 's/voip_bl/other/; s/ counters//; s/ packets.*//' | ipset restore && ipset swap other voip_bl && ipset destroy other"}}, "the set voip_bl had been replaced: it had no counters", false},
		{"one entry for another", [][]string{{"sh", "-c", "ipset del voip_bl 5.5.5.5 && ipset add voip_bl 7.7.7.7"}}, "the set voip_bl lacked 1 entry and had 1", false},
	} {
		before := len(r.logged())
		for _, command := range c.do {
			// The agent may have been quicker, and have put it back.
			if out, code := h.run(command[0], command[1:]...); code != 0 && command[0] != "ipset" {
				t.Fatalf("%s: %v: %s", c.what, command, out)
			}
		}
		repairs++
		begun := time.Now()
		h.eventually(c.what+" is told about and repaired", within, func() bool {
			if !strings.Contains(r.logged()[before:], c.says) {
				return false
			}
			_, code := r.voipbl("firewall", "diff")
			return code == 0 && slices.Equal(h.members("voip_bl"), members)
		})
		t.Logf("%s: repaired after %s", c.what, time.Since(begun).Round(time.Millisecond))
		if !c.others && h.rules() != rules {
			t.Errorf("%s: the rules have changed:\n%s", c.what, h.rules())
		}
		rules = h.rules()
	}
	if !strings.Contains(h.rules(), "-A PREROUTING -s 9.8.7.6/32 -j ACCEPT") {
		t.Errorf("what is somebody else's is gone:\n%s", h.rules())
	}
	s := r.status()
	if n := s.Agent.Repairs.Rules + s.Agent.Repairs.Sets; n < repairs || len(s.Agent.Repairs.Last) == 0 {
		t.Errorf("%d repairs, and status tells of %d: %+v", repairs, n, s.Agent.Repairs)
	}
	if strings.Contains(r.logged(), "<3>") {
		t.Error("there are errors in the log")
	}
}

// TestQuietAgent: while nobody changes anything, nothing is written to the kernel,
// however often the agent looks and reads its local files.
func TestQuietAgent(t *testing.T) {
	t.Parallel()
	quiet := time.Minute
	if d, err := time.ParseDuration(os.Getenv("VOIPBL_QUIET")); err == nil {
		quiet = d
	}
	h := newHost(t, "nft")
	config := filepath.Join(h.dir, "agent.yaml")
	text, err := os.ReadFile(h.base)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, config, strings.Replace(string(text), "/list}", "/list, schedule: \"@every 5s\"}", 1)+"  trunks: [45.9.9.9]\n")
	h.must("sh", "-c", fmt.Sprintf("SSH_CONNECTION='192.168.1.5 1 192.168.1.1 22' voipbl --config %s sync", config))
	r := h.startAgent(config)
	r.told("READY=1", time.Minute)
	sets, rules := h.must("ipset", "save"), h.must("iptables-save", "-c")
	monitor := exec.Command("nft", "monitor")
	var news bytes.Buffer
	monitor.Stdout = &news
	if err := monitor.Start(); err != nil {
		t.Fatal(err)
	}
	h.eventually("the quiet is over", quiet+time.Minute, func() bool { return time.Since(r.begun) > quiet })
	monitor.Process.Kill()
	monitor.Wait()
	if news.Len() > 0 {
		t.Errorf("written to nf_tables: %s", news.String())
	}
	if now := h.must("ipset", "save"); now != sets {
		t.Errorf("sets were:\n%s\nand are:\n%s", sets, now)
	}
	if now := h.must("iptables-save", "-c"); withoutHash(now) != withoutHash(rules) {
		t.Errorf("rules were:\n%s\nand are:\n%s", rules, now)
	}
	s := r.status()
	if n := strings.Count(r.logged(), "reading local feeds"); n < int(quiet/(10*time.Second)) {
		t.Errorf("it has read its local feeds only %d times", n)
	}
	if s.Agent.Applies.Written != 0 || s.Agent.Repairs.Rules+s.Agent.Repairs.Sets != 0 {
		t.Errorf("it says that it has written: %+v", s.Agent)
	}
}

// withoutHash leaves the comments out, which have the time.
func withoutHash(text string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if line[0] != '#' {
			kept.WriteString(line)
		}
	}
	return kept.String()
}
