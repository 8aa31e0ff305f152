package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/configfile"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/memory"
	"github.com/voipbl/voipbl/screen"
	"github.com/voipbl/voipbl/state"
)

// defaultConfig is read if it exists and there is no --config.
const defaultConfig = "/etc/voipbl/voipbl.yaml"

// version is set by the linker: see the Makefile.
var version = "0.0.0-dev"

// app is what all verbs share.
type app struct {
	*screen.Screen
	configFile string
	other      blocklist.File // the file, if another configuration is used
}

func newApp(out, err io.Writer) *app { return &app{Screen: screen.New(out, err)} }

// usageError is a command line with a mistake.
type usageError struct {
	error
	command string
}

// Remedy suggests what was probably meant, or names the help page.
func (e *usageError) Remedy() string {
	if remedied := (interface{ Remedy() string })(nil); errors.As(e.error, &remedied) {
		return remedied.Remedy()
	}
	return e.command + " --help"
}

// lineError is a usageError without its command, which is added later.
type lineError struct{ error }

func (e *lineError) Unwrap() error { return e.error }

// badLine returns the error for a command line with a mistake.
func badLine(err error) error { return &exit.Error{Code: exit.Usage, Err: &lineError{err}} }

// run runs one command line and returns its exit code.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	memory.ForCommand()
	a := newApp(out, errOut)
	root := a.command()
	root.SetArgs(args)
	code := exit.OK
	if cmd, err := root.ExecuteContextC(state.WithPatience(ctx, a.ShowWaiting)); err != nil {
		exit := &exit.Error{Code: exit.Usage, Err: &usageError{plainUsage(err), cmd.CommandPath()}} // an error of cobra's
		errors.As(err, &exit)
		if bad := (*lineError)(nil); errors.As(exit.Err, &bad) {
			exit.Err = &usageError{bad.error, cmd.CommandPath()}
		}
		if exit.Err != nil {
			a.ShowError(exit.Err)
		}
		code = exit.Code
	}
	if err := a.Out.Failed; err != nil {
		fmt.Fprintf(a.Err, "voipbl: the output could not be written: %v\n", err)
		if code == exit.OK {
			code = exit.Usage
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

"voipbl sync" does this once. The agent, "voipbl run", does it all the time: it
fetches each feed on its schedule, and repairs what other programs do to the
sets and rules. The unit voipbl.service starts it at boot.`,
		Example: `  voipbl setup                 the first run: propose, write, apply
  voipbl sync                  fetch the feeds and apply them
  voipbl check 198.51.100.7    is this address blocked, and why
  voipbl status                is this host protected
  voipbl doctor                what weakens the protection`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
	}
	setUpVersion(root)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.PersistentFlags().StringVar(&a.configFile, "config", defaultConfig, "configuration `FILE`")
	a.addVerbs(root)
	setUpHelp(root)
	setUpCompletion(root)
	setUpUsage(root)
	return root
}

// addVerbs adds every verb, in the groups of --help and the manual.
func (a *app) addVerbs(root *cobra.Command) {
	for _, group := range []struct {
		id, title string
		verbs     []*cobra.Command
	}{
		{"daily", "Daily use:", []*cobra.Command{
			a.statusCommand(), a.checkCommand(), a.topCommand(), a.feedsCommand(), a.doctorCommand(), a.syncCommand(), a.banCommand(), a.unbanCommand(), a.bansCommand(), a.phonesCommand(),
			a.allowCommand(), a.disallowCommand(), a.allowedCommand(), a.exemptCommand(), a.reportCommand(),
		}},
		{"firewall", "Firewall:", []*cobra.Command{a.firewallCommand()}},
		{setupGroup, "Setup:", []*cobra.Command{
			a.setupCommand(), a.pbxCommand(), a.fleetCommand(), a.configCommand(), a.migrateCommand(), a.removeCommand(), a.completionCommand(), a.versionCommand(),
		}},
		{"agent", "Agent:", []*cobra.Command{a.runCommand(), a.reloadCommand()}},
	} {
		root.AddGroup(&cobra.Group{ID: group.id, Title: group.title})
		for _, verb := range group.verbs {
			verb.GroupID = group.id
			root.AddCommand(verb)
		}
	}
	root.SetHelpCommandGroupID(setupGroup)
}

// setupGroup also has the verbs about the program itself.
const setupGroup = "setup"

// jsonFlag adds --json to a verb.
func (a *app) jsonFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.JSON, "json", false, "print JSON, for programs")
}

// waitFlag adds --wait to a verb that must wait for other voipbl processes.
func waitFlag(cmd *cobra.Command, wait *time.Duration) {
	cmd.Flags().DurationVar(wait, "wait", defaultWait, "how long to wait for another voipbl")
}

// loadConfig reads the configuration. Without the default file, the defaults count. They also count
// if the file is empty, unless another configuration was in force before. A file given by --config
// must exist.
func (a *app) loadConfig(cmd *cobra.Command) (config.Config, error) {
	cfg, err := configfile.Read(a.configFile, cmd.Flags().Changed("config"))
	if err != nil {
		return config.Config{}, &exit.Error{Code: exit.Usage, Err: err}
	}
	return cfg, nil
}
