package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/screen"
	"github.com/voipbl/voipbl/setnames"
)

func (a *app) phonesCommand() *cobra.Command {
	var (
		forget string
		wait   time.Duration
	)
	cmd := &cobra.Command{
		Use:   "phones",
		Short: "List registered phones and trunks, which no list blocks",
		Long: `List the phones that have proved a password to the PBX, as far as the agent has
been told. No list blocks such an address until 7 days after its registration
has ended, and base rules let its SIP in without limits until an hour after
that end. A ban is stronger, and takes an address off this list. "until" is the
end of the registration as the agent knows it: it hears of a renewal within 5
minutes.

Below them are the trunks that the PBX has told of: providers at which it is
registered itself, and peers by IAX2 with an address. Neither lists nor bans
block them, and base rules do not limit them, until 7 days after the PBX has
told of them last. --forget takes one off at once that you have taken out of
the PBX's configuration: bans reach it then, and lists from the next sync on.
One that the PBX still has is back within an hour.

"voipbl pbx connect" has the PBX tell the agent of them.
"pbx: {trust_registered: false}" in the configuration turns all this off.

Exit status: 0 listed, 2 error.`,
		Example: "  voipbl phones\n  voipbl phones --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.usableConfig(cmd)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("forget") {
				if err := a.forgetTrunk(cmd.Context(), cfg, forget, wait); err != nil {
					return err
				}
			}
			phones, unread := known.Read(cfg)
			switch {
			case a.JSON:
				a.PrintJSON(known.Listing{Phones: phones.Rows(), Trunks: known.ReadTrunks(cfg).Rows()})
			case unread == nil:
				a.printPhones(cfg, phones, known.ReadTrunks(cfg), time.Now())
			}
			if unread != nil {
				return &exit.Error{Code: exit.Usage, Err: unread.Err()}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&forget, "forget", "", "take `TRUNK`, a host or an address, off the list")
	waitFlag(cmd, &wait)
	a.jsonFlag(cmd)
	return cmd
}

// forgetTrunk takes a trunk off the list.
func (a *app) forgetTrunk(ctx context.Context, cfg config.Config, host string, wait time.Duration) error {
	gone, err := known.ForgetTrunk(ctx, setnames.NamesInForce(ctx, cfg), "voipbl phones", host, wait)
	if err == nil && len(gone) == 0 {
		err = fmt.Errorf("%s is no trunk that the PBX has told of: see \"voipbl phones\"", screen.Clean(host))
	}
	if err != nil {
		return &exit.Error{Code: exit.Usage, Err: err}
	}
	return nil
}

func (a *app) printPhones(cfg config.Config, phones known.List, trunks known.Trunks, now time.Time) {
	switch {
	case !cfg.PBX.TrustRegistered:
		fmt.Fprintln(a.Out, "phones are treated like everybody else (pbx.trust_registered: false)")
		return
	case len(phones.Phones) == 0:
		fmt.Fprintln(a.Out, "no registered phone is known")
	default:
		a.printRegistered(phones, now)
	}
	if len(trunks.All) > 0 {
		fmt.Fprintln(a.Out)
		printTrunks(a.Out, trunks, now)
	}
}

// printTrunks lists the trunks.
func printTrunks(out io.Writer, trunks known.Trunks, now time.Time) {
	var t screen.Table
	t.Row("trunk", "registered as", "addresses", "since", "last")
	for _, trunk := range trunks.All {
		addrs := exempt.AddrList(trunk.Addrs)
		switch {
		case trunk.Name() == "":
			addrs = "itself"
		case addrs == "":
			addrs = "not known yet"
		}
		t.Row(screen.Shorten(screen.Clean(trunk.Host), 40), screen.Shorten(screen.Clean(trunk.Account), 24), addrs,
			screen.Ago(trunk.Since, now), screen.Ago(trunk.Last(trunks.Written), now))
	}
	t.Print(out)
}

// printRegistered lists the phones.
func (a *app) printRegistered(phones known.List, now time.Time) {
	var t screen.Table
	t.Row("address", "account", "by", "since", "until at least")
	for _, p := range phones.Rows() {
		until := p.Until.Local().Format(time.DateTime)
		switch {
		case !p.Until.Before(now):
		case now.Sub(p.Until) <= known.RenewedEvery:
			until = "just ended, or renewed"
		default:
			until = "ended " + screen.Ago(p.Until, now)
		}
		t.Row(p.Address.String(), screen.Shorten(screen.Clean(p.Account), 24), p.Transport, screen.Ago(p.Since, now), until)
	}
	t.Print(a.Out)
	for _, s := range phones.Spread() {
		a.Folded("  " + screen.Clean(s.String()))
	}
}
