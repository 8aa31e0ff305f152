package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/testbuild"
	"github.com/voipbl/voipbl/internal/testns"
)

// harmless are the commands that an ordinary user may run.
var harmless = []string{"voipbl", "voipbl config", "voipbl config check", "voipbl config show", "voipbl feeds presets", "voipbl firewall", "voipbl version", "voipbl completion", "voipbl help",
	"voipbl pbx", "voipbl pbx run", // as the watcher does: it waits for the agent
	"voipbl fleet", "voipbl fleet keep", "voipbl fleet run", "voipbl fleet status",
	"voipbl fleet document", // without a key none counts, whoever asks
	"voipbl fleet sign"}     // on the machine of whoever has the key

// looks are the commands that only look: that they could not is 2, as 1 is an answer.
var looks = []string{"voipbl status", "voipbl doctor", "voipbl top", "voipbl feeds", "voipbl check", "voipbl exempt", "voipbl bans", "voipbl phones", "voipbl allowed", "voipbl firewall show", "voipbl firewall diff"}

// TestOrdinaryUser: a command that needs root says so to other users, whatever file, folder, socket
// or tool refuses them.
func TestOrdinaryUser(t *testing.T) {
	testns.Enter(t)
	dir, err := os.MkdirTemp("", "voipbl-ordinary") // other than the test's own folder open for everybody
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	program := filepath.Join(dir, "voipbl")
	at := func(name string) string { return filepath.Join(dir, name) }
	text := fmt.Sprintf("state_dir: %s\nrun_dir: %s\nfeeds: [{name: mine, path: %s}]\nreport: {enabled: true, url: \"http://127.0.0.1:9\", insecure: true}\n", at("state"), at("run"), at("list"))
	if err := errors.Join(os.Chmod(dir, 0o755), os.Link(testbuild.Program, program), os.WriteFile(at("voipbl.yaml"), []byte(text), 0o644), os.WriteFile(at("secret.yaml"), []byte(text), 0o600), os.WriteFile(at("list"), []byte("5.5.5.0/24\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	run := func(user uint32, config string, words ...string) (code int, said string) {
		t.Helper()
		cmd := exec.Command(program, append([]string{"--config", at(config)}, words...)...)
		cmd.Dir, cmd.Env = "/", append(os.Environ(), "NO_COLOR=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
		var errOut bytes.Buffer
		cmd.Stderr = &errOut
		if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode(), errOut.String()
	}
	for _, words := range []string{"sync", "ban 7.7.7.7", "allow 8.8.4.4", "report 6.6.6.6"} {
		if code, said := run(0, "voipbl.yaml", strings.Fields(words)...); code != exit.OK {
			t.Fatalf("%s: exit %d\n%s", words, code, said)
		}
	}
	if err := os.WriteFile(at("run/agent.lock"), nil, 0o600); err != nil { // as an agent leaves it
		t.Fatal(err)
	}

	const nobody = 65534
	remedy := regexp.MustCompile(`(?m)^  try: .*$`)
	try := func(config string, want []int, words ...string) {
		t.Helper()
		code, said := run(nobody, config, words...)
		remedies := remedy.FindAllString(said, -1)
		if !slices.Contains(want, code) || len(remedies) == 0 || slices.ContainsFunc(remedies, func(s string) bool { return s != "  try: run it as root" }) {
			t.Errorf("%s: exit %d, expected %v and to be told that it needs root:\n%s", strings.Join(words, " "), code, want, said)
		}
	}
	tried := 0
	var each func(cmd *cobra.Command)
	each = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			each(sub)
		}
		words := strings.Fields(cmd.CommandPath())[1:]
		if slices.Contains(harmless, cmd.CommandPath()) {
			return
		}
		tried++
		want := []int{exit.NotApplied}
		if slices.Contains(looks, cmd.CommandPath()) {
			want = []int{exit.Usage}
		}
		if _, takes, _ := strings.Cut(cmd.Use, " "); takes != "" {
			words = append(words, "7.7.7.7")
		}
		const oneOf = "cobra_annotation_one_required" // its value names all flags of a group
		var groups []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			group := strings.Join(f.Annotations[oneOf], ",")
			if f.Annotations[cobra.BashCompOneRequiredFlag] != nil || group != "" && !slices.Contains(groups, group) {
				words, groups = append(words, "--"+f.Name, at("new")), append(groups, group)
			}
		})
		try("voipbl.yaml", want, words...)
		try("secret.yaml", []int{exit.NotApplied, exit.Usage}, words...)
	}
	each(newApp(io.Discard, io.Discard).command())
	if tried < 20 {
		t.Errorf("only %d commands", tried)
	}
	try("voipbl.yaml", []int{exit.Usage}, "report", "--list")
	try("voipbl.yaml", []int{exit.NotApplied}, "sync", "--dry-run")
	try("voipbl.yaml", []int{exit.NotApplied}, "pbx", "connect", "--dry-run")
	try("voipbl.yaml", []int{exit.NotApplied}, "setup", "--yes")
	try("secret.yaml", []int{exit.Usage}, "config", "check")
}
