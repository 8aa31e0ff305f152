package main

import "github.com/spf13/cobra"

func (a *app) fleetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fleet",
		Short: "Share bans with other hosts",
		Long: `Share bans with the other hosts of a fleet, by a hub: whoever attacks one of
them is banned by all.

What others have banned is banned here only if a host that fleet.trust names
says so, or hosts of as many sites as fleet.agree asks for. Exempt addresses and
registered phones are never banned by others. Such a ban ends with that of the
others, and after fleet.longest at the latest. "voipbl bans" shows these bans;
after "voipbl unban", the fleet does not ban that address here for a day.`,
		Example: `  voipbl fleet init hub.example.net
  voipbl fleet add acme_pbx1 -o acme_pbx1.join
  voipbl fleet join acme_pbx1.join`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.fleetInitCommand(), a.fleetAddCommand(), a.fleetJoinCommand(), a.fleetStatusCommand(), a.fleetRevokeCommand(), a.fleetRelayCommand(), a.fleetLeaveCommand(), a.fleetKeepCommand(), a.fleetSignCommand(), a.fleetPublishCommand(), a.fleetDocumentCommand(), a.fleetRunCommand())
	return cmd
}
