package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/screen"
)

// TestHelp: each command's help fits a terminal, and has examples.
func TestHelp(t *testing.T) {
	var each func(cmd *cobra.Command)
	each = func(cmd *cobra.Command) {
		var out bytes.Buffer
		cmd.SetOut(&out)
		if err := cmd.Help(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if screen.Width([]byte(line)) > screen.Columns {
				t.Errorf("%s: wider than %d columns: %s", cmd.CommandPath(), screen.Columns, line)
			}
		}
		if cmd.Example == "" {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			each(sub)
		}
	}
	a := newApp(new(bytes.Buffer), new(bytes.Buffer))
	each(a.command())
}

// TestHelpInGroups: each verb that people are shown stands in one group of the general help.
func TestHelpInGroups(t *testing.T) {
	var out, errOut bytes.Buffer
	if code := run(t.Context(), []string{"--help"}, &out, &errOut); code != exit.OK {
		t.Fatalf("exit %d: %s", code, &errOut)
	}
	root := newApp(io.Discard, io.Discard).command()
	listed, group := make(map[string]string), ""
	for line := range strings.Lines(out.String()) {
		if title, ok := strings.CutSuffix(line, ":\n"); ok {
			group = title
		} else if words := strings.Fields(line); strings.HasPrefix(line, "  ") && len(words) > 0 && root.ContainsGroup(strings.ToLower(strings.Fields(group)[0])) {
			if listed[words[0]] != "" {
				t.Errorf("%s stands in %s and %s", words[0], listed[words[0]], group)
			}
			listed[words[0]] = group
		}
	}
	for verb, want := range map[string]string{"status": "Daily use", "ban": "Daily use", "firewall": "Firewall", "setup": "Setup", "help": "Setup", "run": "Agent", "reload": "Agent"} {
		if listed[verb] != want {
			t.Errorf("%s stands in %q, not %q:\n%s", verb, listed[verb], want, &out)
		}
	}
	for _, verb := range root.Commands() {
		if verb.IsAvailableCommand() && listed[verb.Name()] == "" {
			t.Errorf("%s stands in no group:\n%s", verb.Name(), &out)
		}
	}
}

// TestHelpOfNothing: help about what is no command is a mistake, as the command is.
func TestHelpOfNothing(t *testing.T) {
	for _, c := range []struct {
		line string
		code int
		says string
	}{
		{"help", exit.OK, "\nDaily use:\n"},
		{"help help", exit.OK, "voipbl help [COMMAND...]"},
		{"help sync", exit.OK, "voipbl sync [flags]"},
		{"help firewall apply", exit.OK, "voipbl firewall apply [flags]"},
		{"help nope", exit.Usage, `"nope" is no command of "voipbl"` + "\n  try: voipbl --help\n"},
		{"help synx", exit.Usage, `"synx" is no command of "voipbl"` + "\n  try: voipbl sync\n"},
		{"help firewall nope", exit.Usage, `"nope" is no command of "voipbl firewall"` + "\n  try: voipbl firewall --help\n"},
		{"help sync nope", exit.Usage, `"nope" is no command of "voipbl sync"`},
		{"nope", exit.Usage, `"nope" is no command of "voipbl"` + "\n  try: voipbl --help\n"},
		{"firewall nope", exit.Usage, `"nope" is no command of "voipbl firewall"`},
	} {
		var out, errOut bytes.Buffer
		code := run(t.Context(), strings.Fields(c.line), &out, &errOut)
		said, silent := out.String(), errOut.String()
		if c.code != exit.OK {
			said, silent = silent, said
		}
		if code != c.code || !strings.Contains(said, c.says) || silent != "" {
			t.Errorf("%s: exit %d, expected %d and %q\n%s%s", c.line, code, c.code, c.says, &out, &errOut)
		}
	}
}
