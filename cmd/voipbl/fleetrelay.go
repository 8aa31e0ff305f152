package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/fleet/enroll"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/screen"
)

func (a *app) fleetRelayCommand() *cobra.Command {
	var opts enroll.RelayOptions
	cmd := &cobra.Command{
		Use:   "relay SITE {[HOST[:PORT]...] -o FOLDER | --remove}",
		Short: "Write the files of a server between the hub and a site",
		Long: `On the hub: write the files of a relay, a server between the hub and the hosts
of one site, which connect with it as with the hub: one connection to the hub
for all of them. It needs Debian's package nats-server, and no voipbl. HOST is
the name or the address by which the site's hosts reach it; the port is 4222
unless given. Without any, it stays as before.

FOLDER gets nats-server.conf and voipbl-relay.pem, for /etc of the relay. The
second one has its certificate and its key, and the credential by which the hub
admits it: this names the site's hosts, so that it can speak for no other, and
is for relays alone. Each host has a key of its own all the same, and join files
name the relay first, and then the hub.

The first relay has the hub's server listen at another port (--hub-port), for
which it is started anew: let relays in there.

Run it again after "voipbl fleet add" and "revoke" of a host of the site, which
say so, and copy the files again. When a host is revoked, the hub cuts off the
relay at once that would let it pass, and takes it back with its new files; bans
that are in force stay meanwhile. It can be run again at any time, and writes
what differs.

--remove takes the relay of the site out of the fleet: the hub refuses it at
once, and its hosts go to the hub by themselves if their fleet.hub names that.
After the last relay, the hub's server is started anew, without that port.

Exit status: 0 written or removed, or --dry-run; 3 the same, but something is
left to be done by hand, which it says; 1 not written, or only in part; 2 usage
or configuration.`,
		Example: `  voipbl fleet relay acme relay.example.net -o acme
  scp acme/* root@relay:/etc/
  ssh root@relay chgrp nats /etc/voipbl-relay.pem
  ssh root@relay systemctl restart nats-server
  voipbl fleet relay acme --remove`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Site, opts.Addresses = args[0], args[1:]
			if opts.Remove && len(opts.Addresses) > 0 {
				return &exit.Error{Code: exit.Usage, Err: (&problem.Problem{Error: "--remove takes the relay of a site away, whatever its addresses", Remedy: fmt.Sprintf("voipbl fleet relay %s --remove", opts.Site)}).Err()}
			}
			if err := a.atHub(cmd, &opts.HubOptions); err != nil {
				return err
			}
			r, err := enroll.Relay(cmd.Context(), opts)
			if a.shown(r, r.Error) {
				return err
			}
			a.showChanged(r.Changed, opts.DryRun)
			switch {
			case r.Removed:
				fmt.Fprintf(a.Out, "the site %s has no relay\n", r.Site)
				if len(r.Changed) > 0 {
					a.Folded("next: on the machine of the relay, \"apt-get purge nats-server\" and \"rm /etc/voipbl-relay.pem\"")
				}
			case !opts.DryRun && !opts.Remove:
				fmt.Fprintf(a.Out, "the relay of %s, reached at %s, is for %s\n", r.Site, screen.Clean(strings.Join(r.Addresses, ", ")), screen.Plural(len(r.Hosts), "host", "hosts"))
				a.Folded("next: copy " + strings.Join(r.Files, " and ") + " to /etc there, and delete them here; there, \"chgrp nats /etc/voipbl-relay.pem\", \"systemctl restart nats-server\"")
			}
			a.showNotes(r.Notes)
			return err
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return enroll.Sites(opts.Root), cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().StringVarP(&opts.To, "output", "o", "", "write the relay's files into `FOLDER`")
	cmd.MarkFlagDirname("output")
	cmd.Flags().IntVar(&opts.Port, "hub-port", 0, fmt.Sprintf("the hub's `PORT` for relays; else %d, or as before", keys.DefaultRelayPort))
	cmd.Flags().BoolVar(&opts.Remove, "remove", false, "take the relay out of the fleet")
	cmd.MarkFlagsOneRequired("output", "remove")
	cmd.MarkFlagsMutuallyExclusive("output", "remove")
	cmd.MarkFlagsMutuallyExclusive("hub-port", "remove")
	a.hubFlags(cmd, &opts.HubOptions)
	return cmd
}
