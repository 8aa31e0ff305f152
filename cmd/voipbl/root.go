package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/config"
	machine "github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/state"
)

// Exit codes. Those of check are like grep's.
const (
	exitOK         = 0
	exitNotApplied = 1 // the kernel is as it was
	exitUsage      = 2 // usage or configuration
	exitStale      = 3 // in force, but a feed is stale or held back
)

// defaultConfig is read when there is no --config, if it exists.
const defaultConfig = "/etc/voipbl/voipbl.yaml"

// version is set by the linker; see the Makefile.
var version = "0.0.0-dev"

// memoryLimit makes the garbage collector work harder from here on. Nothing
// fails above it. A sync of a million entries needs some 70 MiB.
const memoryLimit = 64 << 20

// app is what every verb shares.
type app struct {
	out, err   *output
	configFile string
	json       bool
	mistaken   bool // the file has a mistake, and something else is used
}

// exitError ends the program with a code; err, if any, is shown first.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usageError is a command line that makes no sense.
type usageError struct {
	error
	command string
}

// Remedy is what is meant, if that is known, or where to read how it is done.
func (e *usageError) Remedy() string {
	if remedied := (interface{ Remedy() string })(nil); errors.As(e.error, &remedied) {
		return remedied.Remedy()
	}
	return e.command + " --help"
}

// lineError is a usageError before it is known of which command.
type lineError struct{ error }

// badLine is that a command line makes no sense.
func badLine(err error) error { return &exitError{exitUsage, &lineError{err}} }

// run runs one command line and returns its exit code.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	a := &app{out: newOutput(out), err: newOutput(errOut)}
	root := a.command()
	root.SetArgs(args)
	code := exitOK
	if cmd, err := root.ExecuteContextC(state.WithPatience(ctx, a.showWaiting)); err != nil {
		exit := &exitError{code: exitUsage, err: &usageError{plainUsage(err), cmd.CommandPath()}} // cobra's own
		errors.As(err, &exit)
		if bad := (*lineError)(nil); errors.As(exit.err, &bad) {
			exit.err = &usageError{bad.error, cmd.CommandPath()}
		}
		if exit.err != nil {
			a.showError(exit.err)
		}
		code = exit.code
	}
	if err := a.out.failed; err != nil {
		fmt.Fprintf(a.err, "voipbl: the output could not be written: %v\n", err)
		if code == exitOK {
			code = exitUsage
		}
	}
	return code
}

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "voipbl",
		Short: "Keep known VoIP attackers away from a PBX host",
		Long: `voipbl keeps a PBX host out of reach of known VoIP attackers: it fetches the
VoIPBL list and local feeds, screens and aggregates their prefixes, puts them
into the kernel's ipset voip_bl by one atomic swap, and keeps iptables rules in
the kernel that drop what is in it before anything else.

"voipbl sync" does so once. The agent, "voipbl run", which the unit
voipbl.service starts at boot, keeps it up: it fetches each feed by its
schedule, and puts right what other programs do to the sets and rules.`,
		Example: `  voipbl setup                 the first run: propose, write, apply
  voipbl sync                  fetch the feeds and put them in force
  voipbl check 198.51.100.7    is this address blocked, and why
  voipbl status                how things stand
  voipbl doctor                what stands against the protection`,
		Version:           version,
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetVersionTemplate("voipbl {{.Version}}\n")
	root.PersistentFlags().StringVar(&a.configFile, "config", defaultConfig, "configuration `FILE`")
	root.AddCommand(a.setupCommand(), a.doctorCommand(), a.syncCommand(), a.checkCommand(), a.exemptCommand(), a.banCommand(), a.unbanCommand(), a.bansCommand(), a.allowCommand(), a.disallowCommand(), a.allowedCommand(), a.reportCommand(), a.statusCommand(), a.topCommand(), a.runCommand(), a.reloadCommand(), a.firewallCommand(), a.configCommand(), a.migrateCommand(), a.removeCommand(), a.completionCommand(), a.versionCommand())
	setUpHelp(root)
	setUpCompletion(root)
	setUpUsage(root)
	return root
}

// jsonFlag adds --json to a verb.
func (a *app) jsonFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.json, "json", false, "print JSON, for programs")
}

// waitFlag is for commands that change what another voipbl may be changing.
func waitFlag(cmd *cobra.Command, wait *time.Duration) {
	cmd.Flags().DurationVar(wait, "wait", defaultWait, "how long to wait for another voipbl")
}

// loadConfig reads the configuration. Without the default file the defaults hold, and if it
// is empty where nothing else was in force before; a file that was asked for must exist.
func (a *app) loadConfig(cmd *cobra.Command) (config.Config, error) {
	text, err := os.ReadFile(a.configFile)
	if err == nil && isBlank(text) && hadConfig(text) {
		return config.Config{}, &exitError{exitUsage, &emptiedError{a.configFile}}
	}
	if errors.Is(err, os.ErrNotExist) && !cmd.Flags().Changed("config") {
		return config.Default(), nil
	}
	if err != nil {
		return config.Config{}, &exitError{exitUsage, &unreadError{err}}
	}
	cfg, err := config.Parse(a.configFile, text)
	if err != nil {
		return config.Config{}, &exitError{exitUsage, withNetworks(err)}
	}
	return cfg, nil
}

// networksError adds to a configuration without local networks what they are here.
type networksError struct{ error }

func (e *networksError) Unwrap() error { return e.error }

func (e *networksError) Remedy() string {
	var found []string
	for _, p := range machine.Local() {
		found = append(found, p.String())
	}
	if len(found) == 0 {
		return "this host is in no private network; put in what your phones and you yourself come from"
	}
	return "this host is in local_networks: [" + strings.Join(found, ", ") + "]"
}

// withNetworks looks for that mistake among those of a configuration.
func withNetworks(err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return &mistakeError{err}
	}
	for _, e := range joined.Unwrap() {
		var mistake *config.Error
		if errors.As(e, &mistake) && mistake.Key == config.KeyLocalNetworks && mistake.Missing {
			return &networksError{err}
		}
	}
	return &mistakeError{err}
}

// showError prints what failed and, on lines of their own, what to do next. For
// programs that asked for JSON it says so there too.
func (a *app) showError(err error) {
	for _, line := range strings.Split(err.Error(), "\n") {
		fmt.Fprintln(a.err, "voipbl: "+clean(strings.ReplaceAll(line, "\t", "  ")))
	}
	remedy := problem.RemedyOf(err)
	var numbered interface{ Numbered() string }
	if errors.As(err, &numbered) && numbered.Numbered() != "" {
		fmt.Fprintln(a.err, "  it was given, with line numbers:")
		for line := range strings.Lines(numbered.Numbered()) {
			fmt.Fprintln(a.err, "  "+clean(strings.TrimSuffix(line, "\n")))
		}
	}
	if remedy != "" {
		fmt.Fprintln(a.err, "  try: "+clean(remedy))
	}
	if a.json && !a.out.used {
		a.printJSON(map[string]any{"error": map[string]string{"error": err.Error(), "remedy": remedy}})
	}
}
