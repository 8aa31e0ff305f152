package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/testns"
)

// printedCodes are the exit codes, besides 0, that an example may have on the host of
// TestAsPrinted.
var printedCodes = []struct {
	line  *regexp.Regexp
	codes []int
}{
	{regexp.MustCompile(`^voipbl (check|exempt) `), []int{1}},                   // no, which is an answer
	{regexp.MustCompile(`^voipbl status`), []int{exit.Stale}},                   // no agent
	{regexp.MustCompile(`^voipbl doctor`), []int{1, exit.Stale}},                // likewise, and no boot
	{regexp.MustCompile(`^voipbl setup$`), []int{exit.Proposed}},                // nobody to be asked
	{regexp.MustCompile(`^voipbl allow home\.example\.net`), []int{exit.Stale}}, // it has no address here
	{regexp.MustCompile(`^voipbl firewall diff`), []int{1}},                     // there is a difference
	{regexp.MustCompile(`^voipbl pbx connect`), []int{1}},                       // there may be no Asterisk
}

// readsOnly matches commands that change nothing for the next one.
var readsOnly = regexp.MustCompile(`^voipbl (bans|check|completion|config|doctor|exempt|help|phones|status|top|version|firewall (show|diff))( [^|;&]*)?$`)

// TestAsPrinted types what README, docs and the help of each command print, as it stands
// there.
func TestAsPrinted(t *testing.T) {
	t.Parallel()
	testns.Enter(t)
	h := hostHere(t, "nft")
	h.must("ip", "link", "add", "wire0", "type", "veth", "peer", "name", "wire1")
	h.must("ip", "link", "set", "wire0", "up")
	h.must("ip", "addr", "add", "192.168.1.2/24", "dev", "wire0")
	shipped := h.configure("firewall:\n  local_networks: [192.168.1.0/24]\n  base: true\nreport: {enabled: true, url: \"http://127.0.0.1:1\", insecure: true}\n", h.nearFeed())
	text, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(h.dir, "voipbl.yaml")
	writeFile(t, filepath.Join(h.dir, "new.yaml"), string(text))
	voipbl := func(args ...string) (string, int) {
		return h.run("voipbl", append([]string{"--config", file}, args...)...)
	}
	done := make(map[string]bool)
	before, changed := "", true
	for _, line := range printedCommands(t) {
		if done[line] {
			continue
		}
		done[line] = true
		// Each finds the host as its reader has it, whatever the one before has done.
		again := changed
		if again {
			writeFile(t, file, string(text))
			if _, code := voipbl("firewall", "rollback"); code == exit.OK || before == "voipbl firewall rollback" {
				voipbl("firewall", "apply", "--confirm", "0") // nobody has refused the rules
			}
			voipbl("disallow", "--all")
		}
		before, changed = line, !readsOnly.MatchString(line)
		port := 50001
		verb, rest, _ := strings.Cut(strings.TrimPrefix(line, "voipbl "), " ")
		switch {
		case verb == "run": // until it is ended
			continue
		case verb == "pbx" && !strings.HasSuffix(rest, " --dry-run"): // it would write into this machine's /etc/asterisk
			continue
		case verb == "fleet" && !strings.HasPrefix(rest, "status"): // it would write into this machine's /etc/voipbl-fleet: fleet-keys.txt has them
			continue
		case verb == "reload":
			h.startAgent(file).told("READY=1", time.Minute)
		case verb == "unban":
			voipbl("ban", "198.51.100.7")
		case verb == "disallow":
			voipbl("allow", "198.51.100.7")
		case verb == "firewall" && (rest == "confirm" || rest == "rollback"):
			h.must("voipbl", "--config", file, "remove")
			h.must("voipbl", "--config", file, "sync", "--sets-only")
			h.must("env", "SSH_CONNECTION=192.168.1.5 50001 192.168.1.2 22", "voipbl", "--config", file, "firewall", "apply", "--confirm", "10m")
			port++
		case verb != "setup" && again:
			voipbl("sync", "--offline")
		}
		shell := exec.Command("bash", "-c", `voipbl() { case $1 in --config) command voipbl "$@" ;; *) command voipbl --config "$CONFIG" "$@" ;; esac; }; `+line)
		shell.Dir = h.dir
		shell.Env = append(os.Environ(), "CONFIG="+file, fmt.Sprintf("SSH_CONNECTION=192.168.1.5 %d 192.168.1.2 22", port))
		out, err := shell.CombinedOutput()
		codes := []int{exit.OK}
		for _, c := range printedCodes {
			if c.line.MatchString(line) {
				codes = append(codes, c.codes...)
			}
		}
		if code := exitCode(err); !slices.Contains(codes, code) {
			t.Errorf("%s: exit code %d\n%s", line, code, out)
		}
	}
	if len(done) < 60 {
		t.Errorf("only %d lines", len(done))
	}
}

// printedCommands are the lines of README, docs and all help texts that begin with "voipbl",
// without comments and redirections.
func printedCommands(t *testing.T) (lines []string) {
	t.Helper()
	command := regexp.MustCompile(`(?m)^(?:    |  |\t)(voipbl(?: [^ ].*)?)$`)
	var texts []string
	for _, page := range documents(t) {
		texts = append(texts, page.text)
	}
	a := newApp(new(bytes.Buffer), new(bytes.Buffer))
	var each func(cmd *cobra.Command)
	each = func(cmd *cobra.Command) {
		texts = append(texts, cmd.Example)
		for _, sub := range cmd.Commands() {
			each(sub)
		}
	}
	each(a.command())
	aside := regexp.MustCompile(`  +[^ ].*$|\s+#.*$|\s*>/.*$`)
	for _, m := range command.FindAllStringSubmatch(strings.Join(texts, "\n"), -1) {
		lines = append(lines, strings.TrimSpace(aside.ReplaceAllString(m[1], "")))
	}
	return lines
}

// TestPrintedConfiguration: each piece of a configuration that README and docs print is one
// that voipbl takes.
func TestPrintedConfiguration(t *testing.T) {
	found := 0
	for _, page := range documents(t) {
		for _, block := range regexp.MustCompile(`(?m)^    [a-z_]+:\s*(?:\n|\{.*\n|\[.*\n)(?:     .*\n)*`).FindAllString(page.text, -1) {
			found++
			yaml := regexp.MustCompile(`(?m)^    `).ReplaceAllString(block, "")
			if _, err := config.Parse(page.file, []byte(yaml)); err != nil {
				t.Errorf("%s: %v\n%s", page.file, err, yaml)
			}
		}
		for _, m := range regexp.MustCompile("`((?:firewall|report|limits|bans|names|metrics|sip|base|drop_at|ipv6|services|allow|trunks|local_networks): [^`]+)`").FindAllStringSubmatch(page.text, -1) {
			found++
			snippet := strings.Join(strings.Fields(m[1]), " ")
			_, err := config.Parse(page.file, []byte(snippet))
			if err != nil { // in the configuration of a reader who has said where the phones are
				inside := snippet
				if within, ok := strings.CutPrefix(snippet, "firewall: {"); ok {
					inside = strings.TrimSuffix(within, "}")
				}
				_, err = config.Parse(page.file, []byte("firewall: {local_networks: [192.168.1.0/24], "+inside+"}"))
			}
			if err != nil {
				t.Errorf("%s: %v\n%s", page.file, err, snippet)
			}
		}
	}
	if found < 8 {
		t.Errorf("only %d pieces", found)
	}
}

// TestUnitReadsProxy: the agent's unit reads what the docs say that a proxy is written into.
func TestUnitReadsProxy(t *testing.T) {
	unit, err := os.ReadFile("../../packaging/systemd/voipbl.service")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/operation.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(unit, []byte("\nEnvironmentFile=-/etc/default/voipbl\n")) || !bytes.Contains(page, []byte("/dev/stdin /etc/default/voipbl")) {
		t.Error("the unit and docs/operation.md do not agree about where a proxy is written")
	}
}
