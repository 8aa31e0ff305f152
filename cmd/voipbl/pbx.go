package main

import (
	"context"
	"errors"
	"os"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/memory"
	"github.com/voipbl/voipbl/pbx/watch"
	"github.com/voipbl/voipbl/screen"
	"github.com/voipbl/voipbl/setup"
)

func (a *app) pbxCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pbx",
		Short: "Connect the PBX, and watch it",
		Long: `Connect the PBX with voipbl, so that it tells which phones are registered and
who attacks it: phones that have proved their password are never blocked by a
list ("voipbl phones"), and attackers are banned after a few packets ("voipbl
bans").

Asterisk is connected by "voipbl pbx connect". Other programs that speak HEP3,
such as Kamailio, are to copy their SIP messages to the port pbx.hep of the
configuration, which "voipbl pbx connect --copies" sets, with the password in
pbx.json of state_dir (/var/lib/voipbl).`,
		Example: `  voipbl pbx connect --dry-run
  voipbl pbx connect --copies
  voipbl pbx disconnect`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.pbxConnectCommand(false), a.pbxConnectCommand(true), a.pbxRunCommand())
	return cmd
}

// copiesFlag has Asterisk copy its SIP messages; given as false, it takes that back.
const copiesFlag = "copies"

func (a *app) pbxConnectCommand(off bool) *cobra.Command {
	opts, copies := setup.ConnectOptions{Off: off}, false
	cmd := &cobra.Command{
		Use:   "connect",
		Short: "Have Asterisk tell voipbl what it sees",
		Long: `Let voipbl log in at Asterisk's manager interface (manager.d/voipbl.conf; on
FreePBX manager_custom.conf), on this host only and with a password of its own.
Set pbx.ami in the configuration, and start voipbl-pbx.service, which watches.
Asterisk reads its files without a restart, and calls go on.

With --copies, Asterisk also copies its SIP messages to voipbl (hep.conf,
pbx.hep). Wrong passwords over UDP are proved then, so bans grow and may be
reported; without, they are for ten minutes at a time. Copies cost Asterisk some
5 % of a processor at 100 calls a second, and 0.1 % at two calls a second.
--copies=false takes them out.

It can be run again at any time: it does what is missing, and leaves copies as
they are. Where Asterisk copies its messages to another program already, or its
manager interface is off, it says so and does the rest.

With --root, Asterisk is that of a container in this host's network, whose files
are below DIR. The configuration, the passwords and the watcher are this host's.
Then have Asterisk read its files yourself, and start the watcher.

Exit status: 0 connected, or --dry-run; 3 connected, but something is left to be
done by hand, which it says; 1 not connected, or, on an error that says so, only
in part; 2 usage or configuration.`,
		Example: `  voipbl pbx connect --dry-run
  voipbl pbx connect
  voipbl pbx connect --copies`,
		Args: cobra.NoArgs,
	}
	if off {
		cmd.Use = "disconnect"
		cmd.Short = "Take out what connect has done"
		cmd.Long = `Take out of Asterisk's files what "voipbl pbx connect" has written, stop
voipbl-pbx.service, turn pbx.hep and pbx.ami off in the configuration, and
remove the passwords. Bans, known phones and trunks stay until their end.

Exit status: 0 disconnected, or --dry-run; 3 disconnected, but something is left
to be done by hand, which it says; 1 not disconnected; 2 usage or configuration.`
		cmd.Example = "  voipbl pbx disconnect"
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		opts.ConfigFile = a.configFile
		if !off && cmd.Flags().Changed(copiesFlag) {
			opts.Copies = &copies
		}
		report, err := setup.Connect(cmd.Context(), a.Screen, opts)
		if report != nil && a.JSON {
			a.PrintJSON(report)
		}
		return err
	}
	cmd.Flags().BoolVarP(&opts.DryRun, "dry-run", "n", false, "change nothing")
	if !off {
		cmd.Flags().BoolVar(&copies, copiesFlag, false, "have it copy its SIP messages, too")
	}
	cmd.Flags().StringVar(&opts.Root, "root", "", "Asterisk's files are below `DIR`, such as a container's")
	waitFlag(cmd, &opts.Wait)
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) pbxRunCommand() *cobra.Command {
	var (
		runDir  string
		verbose bool
	)
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Watch the PBX, as voipbl-pbx.service does",
		Long: `Watch the PBX, and tell the agent of phones and attackers. It needs no rights
but to reach the agent's socket, from which it also has its settings; without
the agent it waits. When these change, it begins anew at once. The
socket is in run_dir of the configuration, if it may read that and --run-dir
does not say where.

Exit status: 0 ended by a signal; 1 failed; 2 usage.`,
		Example: `  systemctl enable --now voipbl-pbx    as a service`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			memory.ForWatcher()
			if !cmd.Flags().Changed("run-dir") {
				if text, err := os.ReadFile(a.configFile); err == nil { // it may be for root only
					runDir = config.RunDir(text)
				}
			}
			w := &watch.Watcher{Log: screen.NewLog(a.Err, verbose), Agent: &watch.Socket{RunDir: runDir}, Alive: aliveTo(systemd)}
			err := w.Run(cmd.Context())
			for errors.Is(err, watch.ErrSettings) {
				w.Log.Info("the settings have changed: begins anew")
				err = w.Run(cmd.Context())
			}
			switch {
			case err == nil, errors.Is(err, context.Canceled):
				return nil
			}
			return &exit.Error{Code: exit.NotApplied, Err: err}
		},
	}
	cmd.Flags().StringVar(&runDir, "run-dir", config.Default().RunDir, "the agent's run_dir, a `FOLDER`")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "log more")
	return cmd
}

// systemd tells systemd something (sd_notify(3)).
func systemd(state string) { _, _ = sd.SdNotify(false, state) } // without systemd nobody is told

// aliveTo returns a function that, called often, says once that the program is ready, and then feeds
// systemd's watchdog.
func aliveTo(say func(state string)) func() {
	timeout, _ := sd.SdWatchdogEnabled(false)
	ready, fed := false, time.Time{}
	return func() {
		if !ready {
			ready = true
			say(sd.SdNotifyReady)
		}
		if timeout > 0 && time.Since(fed) > timeout/4 {
			fed = time.Now()
			say(sd.SdNotifyWatchdog)
		}
	}
}
