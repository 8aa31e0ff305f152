package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fleet/enroll"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/screen"
)

// hubFlags adds what all verbs on the hub have.
func (a *app) hubFlags(cmd *cobra.Command, opts *enroll.HubOptions) {
	cmd.Flags().StringVar(&opts.Root, "root", "", "the hub's files are below `DIR`, such as a container's")
	cmd.Flags().BoolVarP(&opts.DryRun, "dry-run", "n", false, "change nothing")
	waitFlag(cmd, &opts.Wait)
	a.jsonFlag(cmd)
}

// atHub fills in where the lock of the hub's verbs is. Nothing else of the configuration matters to them: a mistake
// in it keeps nobody from revoking a host.
func (a *app) atHub(cmd *cobra.Command, opts *enroll.HubOptions) error {
	cfg, err := a.loadConfig(cmd)
	if opts.RunDir = cfg.RunDir; err == nil {
		return nil
	}
	text, unread := os.ReadFile(a.configFile)
	if errors.Is(unread, fs.ErrNotExist) {
		return err // it was named, and is not there
	}
	fmt.Fprintf(a.Err, "voipbl: the configuration cannot be used, and is not needed for this: see \"voipbl config check\"\n")
	opts.RunDir = config.RunDir(text)
	return nil
}

func (a *app) fleetInitCommand() *cobra.Command {
	var opts enroll.InitOptions
	cmd := &cobra.Command{
		Use:   "init [HUB[:PORT]...]",
		Short: "Make this host the hub of a fleet",
		Long: `Make this host the hub of a fleet, by which its hosts tell each other of their
bans. HUB is a name or an address by which all hosts reach it, over TLS; the
port is 4222 unless given. It needs Debian's package nats-server, and no PBX. If
a firewall is here, let TCP to that port in.

Make the keys of the fleet and a certificate, and write them into one file of
root's, /etc/voipbl-fleet/fleet.json: keep a copy of it off this host, for
whoever has it is the operator of the fleet. From that file follow, and are
written anew whenever they differ: /etc/nats-server.conf, the server's key and
certificate beside fleet.json, and what its unit needs. Start nats-server and
voipbl-hub.service.

It can be run again at any time, without names, and does what is missing; run it
after an upgrade of voipbl. With other names it makes another certificate, of
the same authority. Name the former ones, too: hosts that have joined look for
the hub by the names of their join file, so to leave one out is refused, except
with --force.

Certificates of your own (--cert, --key) stay where they are; --ca is what hosts
check them by, if their system does not know it. Hosts that have joined know the
authority of their join file: one whose certificates they would not admit is
refused, except with --force. --fleet-cert goes back to the fleet's own
certificate, and its authority.

Exit status: 0 the hub runs, or --dry-run; 3 written, but something is left to
be done by hand, which it says; 1 not done, or, on an error that says so, only
in part; 2 usage or configuration.`,
		Example: `  voipbl fleet init hub.example.net
  voipbl fleet init hub.example.net:443 198.51.100.7:443
  voipbl fleet init --dry-run`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Hubs = args
			if err := a.atHub(cmd, &opts.HubOptions); err != nil {
				return err
			}
			r, err := enroll.Init(cmd.Context(), opts)
			if a.shown(r, r.Error) {
				return err
			}
			a.showChanged(r.Changed, opts.DryRun)
			if r.Runs {
				fmt.Fprintf(a.Out, "the hub runs; hosts reach it at %s\n", screen.Clean(strings.Join(r.Hubs, ", ")))
				if r.New {
					fmt.Fprintln(a.Out, "next, for each host: \"voipbl fleet add SITE_HOST -o FILE\" here, and \"voipbl fleet join FILE\" there; keep a copy of /etc/voipbl-fleet/fleet.json off this host")
				}
			}
			a.showNotes(r.Notes)
			return err
		},
	}
	files := func(dst *string, name, usage string) {
		cmd.Flags().StringVar(dst, name, "", usage)
		cmd.MarkFlagFilename(name)
	}
	files(&opts.Cert, "cert", "a certificate of your own, with its chain: a `FILE`")
	files(&opts.Key, "key", "its key: a `FILE` that nats-server can read")
	files(&opts.Authority, "ca", "who has signed it, for hosts: a `FILE`")
	cmd.Flags().StringVar(&opts.DocumentKey, "document-key", "", "the public `KEY` of the document, for join files")
	cmd.MarkFlagsRequiredTogether("cert", "key")
	cmd.Flags().BoolVar(&opts.FleetCert, "fleet-cert", false, "use the fleet's own certificate again")
	cmd.MarkFlagsMutuallyExclusive("cert", "fleet-cert")
	cmd.Flags().BoolVar(&opts.Force, "force", false, "even if hosts that have joined are cut off")
	a.hubFlags(cmd, &opts.HubOptions)
	return cmd
}

func (a *app) fleetAddCommand() *cobra.Command {
	var opts enroll.AddOptions
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Write the file by which a host joins the fleet",
		Long: `On the hub: make a key for a host, and write the file by which it joins the
fleet, to the standard output or to the file of -o, which only root reads. NAME
is SITE_HOST, such as acme_pbx1: the customer or place that it belongs to, and
itself, each 1 to 20 of a-z, 0-9 and "-". What two hosts of one site say counts
as the word of one.

Neither the hub nor fleet.json keeps the key, so a join file is written once.
With --again, the host gets another key, and its former one is revoked once the
new file is written. With -o, nothing is done if that file has the host's key.
The server is not told: it knows whom the operator has signed.

With --mirror, the host also fetches its lists for all others, which then need
not ask the lists' sources: one or two such hosts are enough.

Exit status: 0 written, or there is nothing to do, or --dry-run; 3 written, but
something is left to be done by hand, which it says; 1 not written, or a former
key may still be admitted, which it says; 2 usage or configuration.`,
		Example: `  voipbl fleet add acme_pbx1 >acme_pbx1.join
  voipbl fleet add acme_pbx1 -o acme_pbx1.join
  voipbl fleet add acme_pbx1 --again -o acme_pbx1.join
  voipbl fleet add --mirror acme_hub -o acme_hub.join`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name = args[0]
			opts.Print = func(text []byte) error {
				if !a.JSON {
					a.Out.Write(text)
				}
				return a.Out.Failed
			}
			if err := a.atHub(cmd, &opts.HubOptions); err != nil {
				return err
			}
			r, err := enroll.Add(cmd.Context(), opts)
			if a.shown(r, r.Error) {
				return err
			}
			switch {
			case opts.DryRun:
				a.showChanged(r.Changed, true)
			case !r.New && len(r.Changed) > 0:
				fmt.Fprintf(a.Out, "%s has the key of %s, and names the hub as it is reached now\n", r.File, r.Name)
			case !r.New:
				fmt.Fprintf(a.Out, "%s has the key of %s: nothing to do\n", r.File, r.Name)
			case r.File != "":
				fmt.Fprintf(a.Out, "%s is added: copy %s to it, run \"voipbl fleet join\" with it there, and delete it\n", r.Name, r.File)
			}
			if r.Former > 0 {
				done := "revoked, and cut off"
				if opts.DryRun {
					done = "would be revoked, and cut off"
				}
				fmt.Fprintf(a.Err, "voipbl: %s of %s %s\n", screen.Plural(r.Former, "former key", "former keys"), r.Name, done)
			}
			for _, n := range r.Notes { // the standard output may be the join file
				fmt.Fprintln(a.Err, "voipbl: "+screen.Clean(n))
			}
			return err
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().StringVarP(&opts.To, "output", "o", "", "write the join file to this `FILE`")
	cmd.MarkFlagFilename("output")
	cmd.Flags().BoolVar(&opts.Mirror, "mirror", false, "the host fetches its lists for all hosts of the fleet")
	cmd.Flags().BoolVar(&opts.Again, "again", false, "make another key, and revoke the former one")
	a.hubFlags(cmd, &opts.HubOptions)
	return cmd
}

func (a *app) fleetRevokeCommand() *cobra.Command {
	var opts enroll.RevokeOptions
	cmd := &cobra.Command{
		Use:   "revoke NAME|KEY",
		Short: "Take a host out of the fleet, for good",
		Long: `On the hub: have the server refuse the keys of a host, end its connection, and
take its bans out, so that they end on all other hosts. It says that the host is
cut off only once it has seen that the server refuses the keys and that no
connection of theirs is left. Otherwise it says what to do; run it again then.

KEY is the public key of a host that fleet.json does not know, since an older
copy of that file was put back: "voipbl fleet status" shows it.

The host gets no other bans from then on, and ends those of the fleet at their
end; "voipbl fleet leave" on it ends them at once. To take it in again, give it
another key ("voipbl fleet add"): those that are revoked stay so.

Exit status: 0 cut off, or --dry-run; 3 cut off, but something is left to be
done by hand, which it says; 1 it was not seen to be cut off, or no host has
that name; 2 usage or configuration.`,
		Example: "  voipbl fleet revoke acme_pbx1",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name = args[0]
			if err := a.atHub(cmd, &opts.HubOptions); err != nil {
				return err
			}
			r, err := enroll.Revoke(cmd.Context(), opts)
			if a.shown(r, r.Error) {
				return err
			}
			a.showChanged(r.Changed, opts.DryRun)
			if r.CutOff {
				and := ", and its bans are taken out"
				if !r.TakenOut {
					and = ""
				}
				fmt.Fprintf(a.Out, "%s is cut off%s\n", r.Name, and)
			}
			a.showNotes(r.Notes)
			return err
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return enroll.Names(opts.Root), cobra.ShellCompDirectiveNoFileComp
		},
	}
	a.hubFlags(cmd, &opts.HubOptions)
	return cmd
}

// shown prints the result as JSON if that is asked for, and reports whether there is nothing else to show:
// after an error, that says all.
func (a *app) shown(r any, failed *problem.Problem) bool {
	if a.JSON {
		a.PrintJSON(r)
	}
	return a.JSON || failed != nil
}

// showChanged shows which files were changed, or would be.
func (a *app) showChanged(files []string, dry bool) {
	words := "changed: "
	if dry {
		words = "to change: "
	}
	for _, f := range files {
		fmt.Fprintln(a.Out, words+screen.Clean(f))
	}
	switch {
	case len(files) == 0:
		fmt.Fprintln(a.Out, "nothing to change")
	case dry:
		fmt.Fprintln(a.Out, "dry run: nothing was changed")
	}
}

func (a *app) showNotes(notes []string) {
	for _, n := range notes {
		a.Folded(n)
	}
}
