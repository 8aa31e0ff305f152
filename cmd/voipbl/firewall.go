package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/screen"
	"github.com/voipbl/voipbl/show"
	"github.com/voipbl/voipbl/trial"
)

func (a *app) firewallCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "firewall",
		Short: "Show, compare and apply the firewall's rules",
		Long: `Show the configured rules, compare the kernel's with them, and apply them. There
are always rules that drop blocked addresses. With "firewall: {base: true}" in
the configuration there are base rules too, which are the whole firewall of the
host. New base rules are on trial until you confirm them over another
connection.`,
		Example: `  voipbl firewall show
  voipbl firewall diff
  voipbl firewall apply`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.firewallShowCommand(), a.firewallDiffCommand(), a.firewallApplyCommand(), a.firewallConfirmCommand(), a.firewallRollbackCommand())
	return cmd
}

func (a *app) firewallShowCommand() *cobra.Command {
	var only4, only6 bool
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print the rules as configured",
		Long: `Print the configured rules, and what each is for. Nothing is changed. "voipbl
firewall diff" compares them with the kernel's. The text of one family is in the
form of iptables-save.

Exit status: 0 printed, 2 error.`,
		Example: `  voipbl firewall show
  voipbl firewall show -4`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.loadConfig(cmd)
			if err != nil {
				return err
			}
			shown, err := rules.Show(cmd.Context(), cfg)
			if err == nil {
				err = a.noteOther(cmd)
			}
			if err != nil {
				return &exit.Error{Code: exit.Usage, Err: err}
			}
			if a.JSON {
				a.PrintJSON(shown)
				return nil
			}
			for _, s := range shown {
				if only4 && s.Family != "IPv4" || only6 && s.Family != "IPv6" {
					continue
				}
				if s.Text == "" {
					s.Text = "# no rules: see firewall.drop_at and firewall.ipv6\n"
				}
				fmt.Fprintf(a.Out, "# %s\n%s", s.Family, s.Text)
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&only4, "ipv4", "4", false, "only IPv4")
	cmd.Flags().BoolVarP(&only6, "ipv6", "6", false, "only IPv6")
	cmd.MarkFlagsMutuallyExclusive("ipv4", "ipv6")
	a.jsonFlag(cmd)
	return cmd
}

// exitDiffers is the exit code of diff if the kernel is not as configured, as in diff(1).
const exitDiffers = 1

func (a *app) firewallDiffCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff",
		Short: "Compare the kernel's rules with the configuration",
		Long: `Show which rules are missing in the kernel, which should not be there, and which
are in the wrong place, with the rules in their way. Show also which listeners
of this host the base rules close, and what opens them. Nothing is changed.
Names in trunks stand for the addresses that they last resolved to. To see what
a configuration that is not in force yet would change, run "voipbl firewall
apply --dry-run".

Exit status: 0 the kernel is as configured, 1 it is not, 2 error.`,
		Example: `  voipbl firewall diff`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.usedConfig(cmd)
			if err != nil {
				return err
			}
			r, err := rules.Plan(reach.AtOneMoment(cmd.Context()), cfg)
			if err != nil {
				return &exit.Error{Code: exit.Usage, Err: err}
			}
			switch {
			case a.other.Mistake:
				r.Mended()
			case a.other.Config != nil:
				r.ByTheFile(*a.other.Config)
			}
			show.RulesTrouble(a.Screen, r)
			a.Warnings(r.Warnings)
			if a.JSON {
				a.PrintJSON(r)
			} else {
				show.Changes(a.Screen, r)
				show.Closed(a.Screen, r.Closed, r.Problem != nil || len(r.Changes) > 0)
			}
			if len(r.Changes)+len(r.Missing)+len(r.Families)+len(r.Unresolved) > 0 || r.Problem != nil {
				return &exit.Error{Code: exitDiffers}
			}
			return nil
		},
	}
	a.jsonFlag(cmd)
	return cmd
}

// defaultConfirm is how long new base rules wait for a confirmation: long enough to log in again.
const defaultConfirm = time.Minute

func (a *app) firewallApplyCommand() *cobra.Command {
	var opts trial.ApplyOptions
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Apply the configured rules",
		Long: `Apply the configured rules. New base rules must be confirmed within a minute,
over a new connection, with "voipbl firewall confirm"; otherwise they are rolled
back. They are refused if they would lock out an SSH session or a VPN that comes
in here, or if ufw, firewalld or FreePBX's own firewall is active. What else
they close is shown, and how to open it.

A running agent reloads the configuration first. It refuses one that takes away
more than rules, such as an address of allow: use "voipbl reload" or --force for
that. With drop_at: none, voipbl's own rules are removed once rules of others
drop blocked addresses; until then that is refused, even with --force.

Exit status: 0 in force; 3 in force, but not for IPv6, without effect, or with
empty sets; 1 not applied; 2 usage or configuration.`,
		Example: `  voipbl firewall apply                  new base rules wait a minute
  voipbl firewall apply --confirm 5m     base rules wait five minutes
  voipbl firewall apply --confirm 0      for good, without a question
  voipbl firewall apply --dry-run        show what would change`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.firewallApply(cmd, opts) },
	}
	cmd.Flags().BoolVarP(&opts.DryRun, "dry-run", "n", false, "show what would change, and leave the kernel alone")
	cmd.Flags().DurationVar(&opts.Confirm, "confirm", defaultConfirm, "roll rules back unless confirmed in `TIME`")
	cmd.Flags().BoolVar(&opts.Force, "force", false, "even if it locks out a login or takes protection away")
	waitFlag(cmd, &opts.Wait)
	a.jsonFlag(cmd)
	return cmd
}

const (
	// A person needs some seconds to confirm, and a trial of more than a day would be forgotten.
	minConfirm = 2 * time.Second
	maxConfirm = 24 * time.Hour
)

// checkConfirm refuses times outside these limits.
func checkConfirm(trial time.Duration) error {
	if trial != 0 && (trial < minConfirm || trial > maxConfirm) {
		return badLine(fmt.Errorf("--confirm %s: expected %s to %s, or 0", screen.ShortTime(trial.String()), minConfirm, screen.ShortTime(maxConfirm.String())))
	}
	return nil
}

func (a *app) firewallApply(cmd *cobra.Command, opts trial.ApplyOptions) error {
	if err := checkConfirm(opts.Confirm); err != nil {
		return err
	}
	cfg, err := a.loadConfig(cmd)
	if err != nil {
		return err
	}
	opts.ConfigFile, opts.Waiting, opts.Always, opts.Rollback = a.configFile, a.ShowWaiting, cmd.Flags().Changed("confirm"), rollbackCommand(cfg)
	r, err := trial.Apply(cmd.Context(), cfg, opts)
	done := err == nil && r.Problem == nil
	if done {
		show.Applied(cmd.Context(), a.Screen, cfg, r, opts.DryRun)
	}
	var taken *trial.TakenOverError
	switch {
	case r != nil:
		if !done && !a.JSON {
			show.Followed(a.Screen, r.Agent)
		}
		a.Warnings(r.Warnings)
		if a.JSON {
			a.PrintJSON(r)
		}
	case errors.As(err, &taken) && a.JSON:
		a.PrintJSON(map[string]any{"error": problem.Of(err), "agent": taken.Agent})
	case taken != nil:
		show.Followed(a.Screen, taken.Agent)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return &exit.Error{Code: exit.NotApplied, Err: errors.New("interrupted: the rules are as they were")}
	case err != nil:
		return &exit.Error{Code: exit.NotApplied, Err: err}
	case r.Problem != nil:
		return &exit.Error{Code: exit.NotApplied, Err: r.Problem.Err()}
	case r.Troubled():
		show.Families(a.Screen, r.Families)
		show.Obstacles(a.Screen, r.Obstacles)
		show.Empty(a.Screen, r.Empty)
		return &exit.Error{Code: exit.Stale}
	}
	return nil
}

func (a *app) firewallConfirmCommand() *cobra.Command {
	var here bool
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "confirm",
		Short: "Keep the rules that are on trial",
		Long: `Keep the rules that "voipbl firewall apply" has put on trial. Run it over a new
SSH connection: an older one proves nothing about the new rules. A connection
through a tunnel counts if the rules let that tunnel in.

Exit status: 0 they stay, 1 nothing is on trial or not confirmed, 2 usage or
configuration.`,
		Example: "  voipbl firewall confirm",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.loadConfig(cmd)
			if err != nil {
				return err
			}
			if err := trial.Confirm(cmd.Context(), cfg, a.configFile, wait, here); err != nil {
				return &exit.Error{Code: exit.NotApplied, Err: err}
			}
			fmt.Fprintln(a.Out, "confirmed: the rules stay, also after a boot")
			return nil
		},
	}
	cmd.Flags().BoolVar(&here, "here", false, "even over a connection that is older than the rules")
	waitFlag(cmd, &wait)
	return cmd
}

func (a *app) firewallRollbackCommand() *cobra.Command {
	var (
		wait, after     time.Duration
		token           string
		stateDir, runAt string
	)
	cmd := &cobra.Command{
		Use:   "rollback",
		Short: "Roll back the rules that are on trial",
		Long: `Roll back, now, the rules that "voipbl firewall apply" has put on trial. The
rules of voipbl become what they were before. What other programs have changed
meanwhile, such as bans of fail2ban, stays.

Exit status: 0 they are gone, 1 nothing is on trial or not rolled back, 2 usage
or configuration.`,
		Example: "  voipbl firewall rollback",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg := config.Default()
			if token == "" {
				var err error
				if cfg, err = a.loadConfig(cmd); err != nil {
					return err
				}
			} else {
				// Use nothing of the configuration, which may be broken by now.
				cfg.StateDir, cfg.RunDir = stateDir, runAt
			}
			if after > 0 {
				if due, err := trial.AwaitRollback(cmd.Context(), stateDir, runAt, token, after); !due {
					return err
				}
			}
			if err := trial.RollBack(cmd.Context(), cfg, wait, token); err != nil {
				return &exit.Error{Code: exit.NotApplied, Err: err}
			}
			if token == "" {
				fmt.Fprintln(a.Out, "rolled back: our rules are as they were")
			}
			return nil
		},
	}
	flags := cmd.Flags()
	waitFlag(cmd, &wait)
	// These are for the timer; see rollbackCommand.
	flags.StringVar(&token, "token", "", "")
	flags.StringVar(&stateDir, "state-dir", "", "")
	flags.StringVar(&runAt, "run-dir", "", "")
	flags.DurationVar(&after, "after", 0, "")
	for _, hidden := range []string{"token", "state-dir", "run-dir", "after"} {
		flags.MarkHidden(hidden)
	}
	return cmd
}

// rollbackCommand returns a command line that rolls rules back without reading the configuration,
// since somebody may be editing that at the time.
func rollbackCommand(cfg config.Config) trial.Rollback {
	return func(token string) (string, []string) {
		program, err := os.Executable()
		if err != nil {
			program, _ = filepath.Abs(os.Args[0])
		}
		return program, []string{"firewall", "rollback", "--token", token, "--state-dir", cfg.StateDir, "--run-dir", cfg.RunDir}
	}
}
