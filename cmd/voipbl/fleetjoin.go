package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/fleet/enroll"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/screen"
)

func (a *app) fleetJoinCommand() *cobra.Command {
	var opts enroll.JoinOptions
	cmd := &cobra.Command{
		Use:   "join FILE",
		Short: "Take this host into a fleet",
		Long: `Take this host into the fleet of a join file, which "voipbl fleet add" has
written on the hub; - reads it from the standard input. Write this host's key
into the file fleet.creds of the configuration (/etc/voipbl/fleet.creds), set
fleet.hub, start voipbl-fleet.service, and wait until the hub has admitted this
host.

From then on this host tells the others of its bans of single addresses, and
bans whom a host that it trusts has banned, or hosts of two sites have. Which
counts is under "fleet" in the configuration. Whoever is exempt here is never
banned by others. Delete the join file afterwards: it has the key.

It can be run again at any time: it does what is missing.

Exit status: 0 joined and connected, or --dry-run; 3 joined, but the hub does
not answer yet, or something is left to be done by hand, which it says; 1 not
joined; 2 usage or configuration.`,
		Example: `  voipbl fleet join acme_pbx1.join
  ssh hub.example.net voipbl fleet add acme_pbx1 | voipbl fleet join -`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if os.Geteuid() == 0 { // others are told that they need root
				if opts.JoinFile, err = readJoinFile(args[0]); err != nil {
					return &exit.Error{Code: exit.NotApplied, Err: err}
				}
			}
			opts.ConfigFile = a.configFile
			report, err := enroll.Join(cmd.Context(), opts)
			return a.showJoined(report, err, opts.DryRun)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault // files
		},
	}
	cmd.Flags().BoolVarP(&opts.DryRun, "dry-run", "n", false, "change nothing")
	waitFlag(cmd, &opts.Wait)
	a.jsonFlag(cmd)
	return cmd
}

// readJoinFile reads a join file, or the standard input.
func readJoinFile(name string) ([]byte, error) {
	if name != "-" {
		return enroll.ReadPlain(name, keys.MaxJoin)
	}
	text, err := io.ReadAll(io.LimitReader(os.Stdin, keys.MaxJoin+1))
	if err == nil && len(text) > keys.MaxJoin {
		err = fmt.Errorf("the standard input has more than %d bytes", keys.MaxJoin)
	}
	return text, err
}

func (a *app) fleetLeaveCommand() *cobra.Command {
	var opts enroll.JoinOptions
	cmd := &cobra.Command{
		Use:   "leave",
		Short: "Take this host out of its fleet",
		Long: `Take this host out of its fleet: empty fleet.hub in the configuration, which
ends the bans of others here, stop voipbl-fleet.service, take back at the hub
what this host has said, and remove its key. Its own bans stay here, and end at
the others. Whom the operator's document allows, its trunks too, is exempt here
no more: allow before what this host needs ("voipbl allow"; --dry-run says how
much it is). The hub would still admit the key, if somebody has a copy: "voipbl
fleet revoke" on the hub ends that.

It can be run again at any time: it does what is missing.

Exit status: 0 in no fleet, or --dry-run; 3 the same, but the hub does not
answer, so that this host's bans stay at the others until their end; 1 not left,
or only in part; 2 usage or configuration.`,
		Example: "  voipbl fleet leave",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.ConfigFile = a.configFile
			report, err := enroll.Leave(cmd.Context(), opts)
			return a.showJoined(report, err, opts.DryRun)
		},
	}
	cmd.Flags().BoolVarP(&opts.DryRun, "dry-run", "n", false, "change nothing")
	waitFlag(cmd, &opts.Wait)
	a.jsonFlag(cmd)
	return cmd
}

// showJoined shows the result of join or leave, and returns its error.
func (a *app) showJoined(r *enroll.Joined, err error, dry bool) error {
	if a.shown(r, r.Error) {
		return err
	}
	a.showChanged(r.Changed, dry)
	switch {
	case r.Connected:
		fmt.Fprintf(a.Out, "%s is in the fleet, connected to %s\n", r.Name, screen.Clean(r.Hub))
	case r.Joined:
		fmt.Fprintf(a.Out, "%s is in the fleet, and not connected yet\n", r.Name)
	case !dry:
		fmt.Fprintln(a.Out, "this host is in no fleet")
	}
	a.showNotes(r.Notes)
	a.showNotes(r.Hints)
	return err
}
