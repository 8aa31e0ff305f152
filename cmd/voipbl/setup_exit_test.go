package main

import (
	"cmp"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testshare"
)

// TestSetupEndsTheSame: the exit code and the outcome of setup are the same on a terminal and with
// --yes. Beside a running agent, the agent's older configuration does not undo them.
func TestSetupEndsTheSame(t *testing.T) {
	const local = "local_networks: [192.168.7.0/24]"
	for i, c := range []struct {
		name   string
		config string // beyond folders and lists
		feed   string // beside the near one
		list   string
		args   []string
		code   int
	}{
		{name: "drop alone", code: exit.OK},
		{name: "base on trial", args: []string{"--base", "--local", "192.168.7.0/24", "--confirm", "10m"}, code: exit.OK},
		{name: "base for good", args: []string{"--base", "--local", "192.168.7.0/24", "--confirm", "0"}, code: exit.OK},
		{name: "base in the file", config: "firewall:\n  base: true\n  " + local + "\n", args: []string{"--confirm", "10m"}, code: exit.OK},
		{name: "base in the file, for good", config: "firewall:\n  base: true\n  " + local + "\n", args: []string{"--confirm", "0"}, code: exit.OK},
		{name: "a name without an address", config: "firewall:\n  trunks: [trunk.invalid]\n  " + local + "\n", code: exit.Stale},
		{name: "base, and a name without an address", config: "firewall:\n  trunks: [trunk.invalid]\n  " + local + "\n", args: []string{"--base", "--confirm", "0"}, code: exit.Stale},
		{name: "base on trial, and a name without an address", config: "firewall:\n  trunks: [trunk.invalid]\n  " + local + "\n", args: []string{"--base", "--confirm", "10m"}, code: exit.Stale},
		{name: "a list that cannot be had", feed: "{name: far, url: \"http://127.0.0.1:1/\", insecure: true}", code: exit.Stale},
		{name: "nothing to block", list: "# nothing\n", code: exit.Stale},
	} {
		for j, agent := range []bool{false, true} {
			for k, terminal := range []bool{false, true} {
				if !testshare.Nth(i+j+k, 2) {
					continue
				}
				name := strings.ReplaceAll(c.name, ",", "") + map[bool]string{true: " beside the agent", false: " alone"}[agent] + map[bool]string{true: " on a terminal", false: " with yes"}[terminal]
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					testns.Enter(t)
					h := hostHere(t, "nft")
					feeds := []string{h.nearFeed()}
					if c.feed != "" {
						feeds = append(feeds, c.feed)
					}
					writeFile(t, h.dir+"/list", cmp.Or(c.list, "9.9.9.9\n"))
					file := h.configure(c.config, feeds...)
					if agent {
						h.startAgent(file).told("READY=1", time.Minute)
					}
					for _, run := range []string{"first", "second"} {
						out, code := h.setup(file, terminal, c.args...)
						if code != c.code {
							t.Errorf("the %s run ends with %d, not %d:\n%s", run, code, c.code, out)
						}
						if strings.Contains(out, "another configuration") || strings.Contains(out, "not applied") || !saysInForce.MatchString(out) {
							t.Errorf("the %s run does not say what came of it:\n%s", run, out)
						}
						if strings.Contains(out, "on trial.") {
							if !strings.Contains(out, "in force, the base rules on trial") {
								t.Errorf("the %s run ends without a word about the trial:\n%s", run, out)
							}
							h.must("voipbl", "--config", file, "firewall", "confirm", "--here")
						}
					}
				})
			}
		}
	}
}

var saysInForce = regexp.MustCompile(`(?m)^in force`)

// setup runs the verb, on a terminal of its own with an empty answer to each question, or
// with --yes.
func (h *host) setup(file string, terminal bool, args ...string) (string, int) {
	h.t.Helper()
	args = append([]string{"--config", file, "setup", "--root", h.dir}, args...)
	if !terminal {
		return h.run("voipbl", append(args, "--yes")...)
	}
	cmd := exec.Command("script", "-qec", "voipbl "+strings.Join(args, " "), os.DevNull)
	cmd.Stdin = strings.NewReader("\n\n\n\n\n")
	cmd.Env = append(os.Environ(), "NO_COLOR=1")
	out, err := cmd.CombinedOutput()
	if err != nil && exitCode(err) < 0 {
		h.t.Fatalf("script: %v", err)
	}
	return string(out), exitCode(err)
}
