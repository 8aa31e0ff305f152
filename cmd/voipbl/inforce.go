package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/screen"
	"github.com/voipbl/voipbl/state"
	"github.com/voipbl/voipbl/takeover"
)

// inForce is the configuration in force on this host: the running agent's if there is an agent,
// otherwise the file's, or the last good one if the file has a mistake.
type inForce struct {
	config.Config
	file    string        // the file of this command
	mistake error         // the mistake in the file, if something else is in force because of it
	differs bool          // the agent's configuration differs from the file
	written config.Config // what the file says then
	silent  error         // why the agent cannot report its configuration
}

// inForce finds the configuration in force.
func (a *app) inForce(cmd *cobra.Command) (inForce, error) {
	cfg, mistake, err := a.configInForce(cmd)
	if err != nil {
		return inForce{}, err
	}
	f := inForce{Config: cfg, file: a.configFile, mistake: mistake}
	if abs, err := filepath.Abs(f.file); err == nil {
		f.file = abs
	}
	theirs, err := state.AgentConfig(cmd.Context(), cfg.RunDir)
	switch {
	case errors.As(err, new(*state.SilentAgentError)):
		f.silent = err
	case mistake == nil && err == nil && !cfg.Equal(theirs):
		f.Config, f.differs, f.written = theirs, true, cfg
	}
	a.other = f.other()
	return f, nil
}

// other describes the file, if something else is in force.
func (f inForce) other() blocklist.File {
	file := blocklist.File{Mistake: f.mistake != nil}
	if f.differs {
		file.Config = &f.written
	}
	return file
}

// trouble returns what is wrong if the file is not in force, unless the agent reports it itself.
func (f inForce) trouble(running *state.AgentStatus) *problem.Problem {
	const check = "see \"voipbl config check\""
	switch {
	case f.mistake != nil && running == nil:
		return &problem.Problem{Error: "the configuration has a mistake: " + f.mistake.Error(), Remedy: check}
	case f.mistake == nil && !f.differs, running == nil:
		return nil
	case !takeover.SameFile(running.ConfigFile, f.file):
		return &problem.Problem{
			Error:  fmt.Sprintf("the agent uses %s, which differs from %s", running.ConfigFile, f.file),
			Remedy: fmt.Sprintf("name that file with \"--config %s\"", running.ConfigFile),
		}
	case running.ConfigError != nil: // the agent reports it
		return nil
	case f.mistake != nil: // the agent has not seen it yet
		return &problem.Problem{Error: "the agent goes on with the old configuration: " + f.mistake.Error(), Remedy: check}
	}
	return &problem.Problem{
		Error:  f.file + " has changed, and the agent has not reloaded it yet",
		Remedy: "run \"voipbl reload\"",
	}
}

// configInForce returns the configuration of the file. If that has a mistake, it returns the
// running agent's configuration, or the one that was in force last, and the mistake.
func (a *app) configInForce(cmd *cobra.Command) (cfg config.Config, refused, err error) {
	cfg, mistake := a.loadConfig(cmd)
	if mistake == nil {
		return cfg, nil, nil
	}
	text, err := os.ReadFile(a.configFile)
	if err != nil {
		return cfg, nil, mistake
	}
	if cfg, err = state.AgentConfig(cmd.Context(), config.RunDir(text)); err == nil {
		return cfg, mistake, nil
	}
	if cfg, err = a.lastGoodConfig(); err == nil {
		return cfg, mistake, nil
	}
	return cfg, nil, mistake
}

// lastGoodConfig returns the agent's last configuration, for use if the file has a mistake.
func (a *app) lastGoodConfig() (config.Config, error) {
	text, err := os.ReadFile(a.configFile)
	if err != nil {
		return config.Config{}, err
	}
	cfg, _, err := state.LastGoodConfig(text)
	return cfg, err
}

// usableConfig is configInForce, and reports the mistake on stderr.
func (a *app) usableConfig(cmd *cobra.Command) (config.Config, error) {
	cfg, refused, err := a.configInForce(cmd)
	if refused != nil {
		fmt.Fprintln(a.Err, "voipbl: the configuration has a mistake, so the last good one is used: see \"voipbl config check\"")
	}
	return cfg, err
}

// usedConfig is inForce, and reports on stderr if the file says something else.
func (a *app) usedConfig(cmd *cobra.Command) (config.Config, error) {
	f, err := a.inForce(cmd)
	switch {
	case f.mistake != nil:
		fmt.Fprintln(a.Err, "voipbl: the configuration has a mistake, so the last good one is used: see \"voipbl config check\"")
	case f.differs:
		fmt.Fprintf(a.Err, "voipbl: the agent uses another configuration than %s, and this is the agent's: see \"voipbl status\"\n", screen.Clean(f.file))
	case f.silent != nil:
		f.noteSilent(a)
	}
	return f.Config, err
}

// noteOther warns if the agent's configuration is not the file's, which this verb shows.
func (a *app) noteOther(cmd *cobra.Command) error {
	f, err := a.inForce(cmd)
	switch {
	case f.differs:
		fmt.Fprintf(a.Err, "voipbl: the agent uses another configuration than %s, and this is what the file says: see \"voipbl status\"\n", screen.Clean(f.file))
	case f.silent != nil:
		f.noteSilent(a)
	}
	return err
}

func (f inForce) noteSilent(a *app) {
	fmt.Fprintf(a.Err, "voipbl: %s, so nobody knows whether it uses %s: see \"voipbl status\"\n", screen.Clean(f.silent.Error()), screen.Clean(f.file))
}
