package main

import (
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/voipbl/voipbl/setup"
)

func (a *app) setupCommand() *cobra.Command {
	var (
		opts   setup.Options
		client string
		copies bool
	)
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "The first run: look, propose, write, apply",
		Long: `Look at this host (networks, PBX, trunks, ports, other firewalls, fail2ban,
Docker), propose a configuration and say why, write it (the old one is kept
beside it) and apply it. What you have configured yourself stays. On a
terminal it asks; without one it proposes only, unless --yes is given.

Base rules, which make voipbl the whole firewall, are recommended where no other
firewall is in force, your networks are known and open SSH sessions would be let
in; otherwise setup says what is in the way. It adds them only if you say so, on
the terminal, by --base or in the file. They are then on trial, as with "voipbl
firewall apply": they are rolled back unless you confirm them over a new
connection. A table shows what they let in and what they close; "voipbl firewall
show" has every rule.

If the published voipbl.sh is on this host, setup says so, and offers to
remove it once voipbl's own rules are in force, as "voipbl migrate" does. If
Asterisk is here, it offers to connect it, as "voipbl pbx connect" does, with
copies of its SIP messages (--copies) or without.

Exit status: 0 in force, or --dry-run; 3 in force, but a list is stale or the
like; 4 proposed, and nothing was changed; 1 not applied; 2 usage or
configuration.`,
		Example: `  voipbl setup
  voipbl setup --dry-run
  voipbl setup --yes --json
  voipbl setup --yes --base --local 192.168.1.0/24 --confirm 0`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkConfirm(opts.Confirm); err != nil {
				return err
			}
			if cmd.Flags().Changed(copiesFlag) {
				opts.Copies, opts.Connect = &copies, true
			}
			opts.ConfigFile, opts.Version, opts.Rollback = a.configFile, version, rollbackCommand
			opts.Look.Fail2banClient = strings.Fields(client)
			opts.Command = func(words ...string) string { return setupLine(cmd, words) }
			report, err := setup.Run(cmd.Context(), a.Screen, opts)
			if report != nil && a.JSON {
				a.PrintJSON(report)
			}
			return err
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&opts.Yes, "yes", "y", false, "do not ask")
	f.BoolVarP(&opts.DryRun, "dry-run", "n", false, "propose only")
	f.BoolVar(&opts.Base, "base", false, "be the whole firewall of this host")
	f.BoolVar(&opts.Migrate, "migrate", false, "take the published voipbl.sh out afterwards")
	f.BoolVar(&opts.Connect, "connect", false, "have Asterisk tell of phones and attackers")
	f.BoolVar(&copies, copiesFlag, false, "connect it, with copies of its SIP messages")
	f.StringSliceVar(&opts.Networks, "local", nil, "a `NETWORK` that you and your phones come from")
	f.StringSliceVar(&opts.Trunks, "trunk", nil, "a SIP provider: an address, network or `NAME`")
	f.DurationVar(&opts.Confirm, "confirm", defaultConfirm, "undo base rules unless confirmed in `TIME`")
	waitFlag(cmd, &opts.Wait)
	lookFlags(cmd, &opts.Look, &client)
	cmd.MarkFlagsMutuallyExclusive("yes", "dry-run")
	a.jsonFlag(cmd)
	return cmd
}

// setupLine returns the command as it was typed, with these words in place of --yes, --dry-run and
// --json.
func setupLine(cmd *cobra.Command, words []string) string {
	all := append([]string{"voipbl", "setup"}, words...)
	cmd.Flags().Visit(func(f *pflag.Flag) {
		name := "--" + f.Name
		if slices.Contains([]string{"yes", "dry-run", "json"}, f.Name) || slices.Contains(words, name) {
			return
		}
		values := []string{f.Value.String()}
		switch v := f.Value.(type) {
		case pflag.SliceValue:
			values = v.GetSlice()
		default:
			if f.Value.Type() == "bool" {
				if f.Value.String() == "false" {
					name += "=false"
				}
				all = append(all, name)
				return
			}
		}
		for _, v := range values {
			all = append(all, name, shellWord(v))
		}
	})
	return strings.Join(all, " ")
}

// shellWord quotes a word for the shell if necessary.
func shellWord(text string) string {
	if text != "" && strings.IndexFunc(text, func(r rune) bool {
		return !strings.ContainsRune("_-./:@,+=%", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
