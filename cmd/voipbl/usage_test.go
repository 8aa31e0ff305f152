package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/screen"
)

// notOurs is what cobra, pflag and Go say to programmers.
var notOurs = regexp.MustCompile(`(?i)arg\(s\)|unknown (flag|shorthand|command)|flag needs|invalid (argument|syntax|duration)|strconv|missing unit|time: |parsing|did you mean|accepts |requires |were all set|flag|%!|<nil>|bare "|0m0s`)

var whatToDo = regexp.MustCompile(`\n  try: |expected |such as `)

// TestUsageErrors makes every possible mistake on the command line of every command, and checks the
// message.
func TestUsageErrors(t *testing.T) {
	read := func(words ...string) {
		t.Helper()
		var out, errOut bytes.Buffer
		words = append(words, "--config", "/nonexistent/voipbl.yaml") // whatever is taken for right goes no further
		line := strings.Join(words, " ")
		code := run(t.Context(), words, &out, &errOut)
		text := errOut.String()
		if code != exit.Usage || out.Len() > 0 && !strings.Contains(line, "--json") {
			t.Errorf("%s: exit %d, %s", line, code, out.String())
		}
		if bad := notOurs.FindString(text); bad != "" {
			t.Errorf("%s: %q is not ours: %s", line, bad, text)
		}
		if !strings.HasPrefix(text, "voipbl: ") || !whatToDo.MatchString(text) || !strings.Contains(text, "\n  try: ") || strings.Contains(text, "/nonexistent") {
			t.Errorf("%s: not what is wrong, or not what to do: %s", line, text)
		}
		for said := range strings.Lines(text) {
			if screen.Width([]byte(said)) > 3*screen.Columns {
				t.Errorf("%s: a line of %d characters: %s", line, screen.Width([]byte(said)), said)
			}
		}
	}
	commands := 0
	var each func(cmd *cobra.Command)
	each = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			each(sub)
		}
		words := strings.Fields(cmd.CommandPath())[1:]
		if cmd.Name() == "help" || cmd.Name() == "completion" {
			return // see TestHelpOfNothing
		}
		commands++
		with := func(more ...string) { t.Helper(); read(append(append([]string{}, words...), more...)...) }
		with("--nonsense")
		with("--nonsense=1")
		with("-Q")
		with("-nQ")
		with("--=x")
		with("---x")
		if cmd.HasSubCommands() {
			with("nonsense")
			with("ban", "x", "y")
		} else if _, takes, _ := strings.Cut(cmd.Use, " "); takes == "" {
			with("nonsense")
			with("1.2.3.4", "5.6.7.8")
		} else if takes[0] != '[' {
			with()
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Name == "help" || f.Name == "version" || f.Name == "config" {
				return
			}
			switch f.Value.Type() {
			case "bool":
				with("--" + f.Name + "=perhaps")
			case "duration":
				for _, text := range []string{"60", "soon", "", "1x", "d", "7days", "9e9d", "99999999999h"} {
					with("--" + f.Name + "=" + text)
				}
				read(append(append([]string{}, words...), "--"+f.Name)[:]...)
			case "int", "uint":
				for _, text := range []string{"x", "", "1.5", "99999999999999999999"} {
					with("--" + f.Name + "=" + text)
				}
			case "stringSlice":
				with("--" + f.Name + `=a"b`)
			}
		})
	}
	a := newApp(new(bytes.Buffer), new(bytes.Buffer))
	each(a.command())
	if commands < 20 {
		t.Errorf("only %d commands", commands)
	}
	for _, line := range []string{
		"exempt 1.2.3.4 --quiet --json", "firewall show -4 -6", "setup --yes --dry-run", "unban", "unban --all 1.2.3.4", "disallow", "disallow --all x.example",
		"check pbx.example", "ban pbx.example", "unban pbx.example", "report pbx.example",
		"ban 1.2.3.4 --for 60", "ban 1.2.3.4 --for -5m", "ban 1.2.3.4 --reason \x01", "ban 1.2.3", "allow 1.2.3.4 --for 4000d", "allow 0.0.0.0/0", "top --interval 1ms", "top --lines 0", "check 1.2.3", "exempt x.example",
		"firewall apply --confirm 1s", "report", "report --count -1 1.2.3.4",
	} {
		read(strings.Fields(line)...)
	}
}

// TestSuggestions: a word of another program, or a misspelling, gets voipbl's command as the
// remedy. Each command behind "try:" exists.
func TestSuggestions(t *testing.T) {
	a := newApp(new(bytes.Buffer), new(bytes.Buffer))
	root := a.command()
	for word, meant := range otherWords {
		found, _, err := root.Find(strings.Fields(meant))
		if err != nil || found.CommandPath() == root.CommandPath() || !strings.HasPrefix("voipbl "+meant, found.CommandPath()) {
			t.Errorf("%s: %q is no command", word, meant)
		}
		if own, _, _ := root.Find([]string{word}); own != root {
			t.Errorf("%q is a command itself", word)
		}
	}
	for word, want := range map[string]string{
		"block": "voipbl ban ADDR", "list": "voipbl bans", "update": "voipbl sync", "whitelist": "voipbl allow ADDR", "LOG": "journalctl -u voipbl",
		"restart": "systemctl restart voipbl", "unblock": "voipbl unban ADDR", "stat": "voipbl status", "chekc": "voipbl check", "x": "voipbl --help", "to": "voipbl top",
		"firewal": "voipbl firewall", "tpo": "voipbl top", "Bna": "voipbl ban", "snyc": "voipbl sync", "stauts": "voipbl status", "xyzzy": "voipbl --help",
	} {
		var out, errOut bytes.Buffer
		if code := run(t.Context(), []string{word}, &out, &errOut); code != exit.Usage {
			t.Errorf("%s: exit %d", word, code)
		}
		if got := errOut.String(); got != "voipbl: \""+word+"\" is no command of \"voipbl\"\n  try: "+want+"\n" {
			t.Errorf("%s: %s", word, got)
		}
	}
}
