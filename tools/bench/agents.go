package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/tools/bench/page"
)

// scrapes is how often Prometheus asks by default.
const scrapes = 15 * time.Second

// agentTime is for how long agents are measured, and afterStart how long before they are left alone:
// an agent looks at everything once more soon after its start.
const (
	agentTime  = 2 * time.Minute
	afterStart = 20 * time.Second
)

// metrics is where agents have their metrics, each in a namespace of its own.
const metrics = "127.0.0.1:9617"

// agents measures agents at the same time, each in a namespace of its own: at rest and scraped, with a
// common list and a long one.
func (b *bench) agents(r *page.Results) error {
	sizes := []int{page.Full, page.Million}
	if b.quick {
		sizes = sizes[:1]
	}
	var agents []*agent
	defer func() {
		for _, a := range agents {
			a.stop()
		}
	}()
	for _, lines := range sizes {
		list, err := b.list(lines)
		if err != nil {
			return err
		}
		file := filepath.Join(b.work, fmt.Sprintf("agents-%d", lines))
		if err := os.WriteFile(file, list, 0o644); err != nil {
			return err
		}
		for _, scraped := range []bool{false, true} {
			a, err := b.startAgent(fmt.Sprintf("agent%d", len(agents)), file)
			if err != nil {
				return err
			}
			a.result = page.Agent{Lines: lines, Scraped: scraped}
			agents = append(agents, a)
		}
	}
	for _, a := range agents {
		if err := b.await(a); err != nil {
			return err
		}
	}
	if !b.quick {
		pause(b.ctx, afterStart)
	}
	say("%d agents for %s", len(agents), b.agent)
	if err := b.watch(agents); err != nil {
		return err
	}
	for _, a := range agents {
		r.Agents = append(r.Agents, a.result)
	}
	return nil
}

// agent is a running one.
type agent struct {
	name, config string
	log          bytes.Buffer
	conn         net.Conn // to its metrics, which Prometheus keeps, too
	answers      *bufio.Reader
	cmd          *exec.Cmd
	begin        time.Time
	before       time.Duration
	result       page.Agent
}

// startAgent starts one in a new namespace. "ip netns exec" becomes the agent, and is no process beside it.
func (b *bench) startAgent(name, list string) (*agent, error) {
	dir := filepath.Join(b.work, name)
	a := &agent{name: name, config: filepath.Join(dir, "voipbl.yaml")}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	text := fmt.Sprintf("state_dir: %[1]s/state\nrun_dir: %[1]s/run\nfeeds: [{name: list, path: %[2]s}]\nmetrics: {listen: \"%[3]s\"}\n", dir, list, metrics)
	if err := os.WriteFile(a.config, []byte(text), 0o644); err != nil {
		return nil, err
	}
	for _, words := range [][]string{{"netns", "add", name}, {"-n", name, "link", "set", "lo", "up"}} {
		if err := command("ip", words...); err != nil {
			return nil, err
		}
	}
	a.cmd = exec.CommandContext(b.ctx, "ip", "netns", "exec", name, b.program, "--config", a.config, "run")
	a.cmd.Stdout, a.cmd.Stderr = &a.log, &a.log
	return a, a.cmd.Start()
}

func (a *agent) stop() {
	if a.conn != nil {
		a.conn.Close()
	}
	a.cmd.Process.Signal(unix.SIGTERM)
	a.cmd.Wait()
}

// await waits until an agent answers, and is at rest: until it has used nearly nothing for a second.
func (b *bench) await(a *agent) error {
	var last time.Duration
	for until := time.Now().Add(2 * time.Minute); time.Now().Before(until) && b.ctx.Err() == nil; pause(b.ctx, time.Second) {
		used, err := a.cpu()
		if err != nil {
			return fmt.Errorf("the agent has ended: %w\n%s", err, &a.log)
		}
		if used-last < 5*time.Millisecond && a.scrape() == nil {
			return nil
		}
		last = used
	}
	return fmt.Errorf("the agent does not come to rest:\n%s", &a.log)
}

// watch measures all agents for as long as the options say.
func (b *bench) watch(agents []*agent) (err error) {
	for _, a := range agents {
		if a.before, err = a.cpu(); err != nil {
			return err
		}
		a.begin = time.Now()
	}
	for end := time.Now().Add(b.agent); time.Now().Before(end) && b.ctx.Err() == nil; {
		for _, a := range agents {
			if a.result.Scraped {
				if err := a.scrape(); err != nil {
					return fmt.Errorf("cannot scrape the metrics of %s: %w", a.name, err)
				}
			}
		}
		pause(b.ctx, min(scrapes, time.Until(end)))
	}
	for _, a := range agents {
		used, err := a.cpu()
		if err != nil {
			return err
		}
		a.result.Seconds, a.result.CPU = time.Since(a.begin).Seconds(), milliseconds(used-a.before)
		if a.result.Resident, a.result.Peak, err = a.memory(); err != nil {
			return err
		}
	}
	return b.ctx.Err()
}

// cpu is what an agent has used, with the processes that it has started and that have ended.
func (a *agent) cpu() (time.Duration, error) {
	var t unix.Timespec
	pid := a.cmd.Process.Pid
	if err := unix.ClockGettime(^int32(pid)<<3|2, &t); err != nil { // CPUCLOCK_SCHED of a process
		return 0, err
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	words := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var children int
	for _, i := range []int{13, 14} { // cutime and cstime, in hundredths of a second
		n, err := strconv.Atoi(words[i])
		if err != nil {
			return 0, err
		}
		children += n
	}
	return time.Duration(t.Nano()) + time.Duration(children)*10*time.Millisecond, nil
}

// memory is what an agent has now, and had at most, in MB.
func (a *agent) memory() (now, peak float64, err error) {
	file := fmt.Sprintf("/proc/%d/status", a.cmd.Process.Pid)
	for key, value := range map[string]*float64{"VmRSS": &now, "VmHWM": &peak} {
		kib, err := strconv.Atoi(strings.TrimSuffix(field(file, key, ":"), " kB"))
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %w", file, err)
		}
		*value = float64(kib) * 1024 / 1e6
	}
	return now, peak, nil
}

// scrape asks for the metrics, as Prometheus does.
func (a *agent) scrape() error {
	if a.conn == nil {
		if err := within(a.name, func() (err error) { a.conn, err = net.Dial("tcp4", metrics); return err }); err != nil {
			return err
		}
		a.answers = bufio.NewReader(a.conn)
	}
	if _, err := io.WriteString(a.conn, "GET /metrics HTTP/1.1\r\nHost: "+metrics+"\r\nAccept-Encoding: gzip\r\n\r\n"); err != nil {
		return err
	}
	answer, err := http.ReadResponse(a.answers, nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}
