package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/fleet/enroll"
	"github.com/voipbl/voipbl/fleet/signer"
	"github.com/voipbl/voipbl/screen"
)

func (a *app) fleetSignCommand() *cobra.Command {
	var (
		opts   signer.Options
		newKey string
	)
	cmd := &cobra.Command{
		Use:   "sign {--new-key FILE | --key FILE DOCUMENT}",
		Short: "Sign the document for all hosts of the fleet",
		Long: `Sign what you, who run the fleet, tell all its hosts: whom none of them ever
blocks, whose word alone counts, and who is no longer believed. Hosts take it
if they have your public key (fleet.key), and it comes to them by the hub:
"voipbl fleet publish". Sign on another machine than the hub, such as your own:
whoever breaks into the hub must not be able to sign. It needs no root there, no
agent and no configuration.

--new-key makes the key once. It prints the public key for fleet.key of the
hosts; given to "voipbl fleet init --document-key", each join file has it. Who
can read FILE can let any address in at all hosts.

DOCUMENT is YAML. All keys may be left out, and what a host's own configuration
allows stays allowed there:

  allow: [203.0.113.10, 198.51.100.0/24, office.example.net]
  trunks: [sip.provider.example]    # let in by base rules, too
  trust: [acme]                     # sites and hosts, beside fleet.trust
  hosts: [acme_pbx1, zeta_pbx1]     # all there are: shown, and no more
  revoked: [acme_pbx9]              # whose bans count no more
  minimum_version: 0.9.0            # status of hosts with an older one says so

What a former document had and this one has not, counts no more. Hosts take no
document that is older than the newest they have seen: the serial is the time,
unless the document ("serial:") or --serial has one. The signed document is
compared with --last, or with OUT as it is before, and what changes is printed.

Exit status: 0 signed, or --dry-run; 1 not signed, such as one that is not newer
than the last; 2 usage, or a mistake in DOCUMENT.`,
		Example: `  voipbl fleet sign --new-key fleet.key
  voipbl fleet sign --key fleet.key document.yaml -o document.signed
  voipbl fleet sign --key fleet.key document.yaml --dry-run`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if newKey != "" {
				return a.makeDocumentKey(newKey, args, opts)
			}
			if opts.Key == "" || len(args) == 0 {
				return badLine(errors.New("expected --key FILE and the document, or --new-key FILE"))
			}
			if a.JSON && opts.Out == "" && !opts.DryRun {
				return badLine(errors.New("--json needs -o OUT: else the signed document is what is printed"))
			}
			opts.Document, opts.Now = args[0], time.Now()
			return a.signDocument(opts)
		},
	}
	cmd.Flags().StringVar(&newKey, "new-key", "", "make a key and write it to `FILE`")
	cmd.Flags().StringVar(&opts.Key, "key", "", "sign with the key in `FILE`")
	cmd.Flags().StringVarP(&opts.Out, "output", "o", "", "write it to the file `OUT`; else to standard output")
	cmd.Flags().Uint64Var(&opts.Serial, "serial", 0, "the serial `NUMBER`; else the document's, or the time")
	cmd.Flags().StringVar(&opts.Last, "last", "", "compare it with the signed document in `FILE`")
	cmd.Flags().BoolVarP(&opts.DryRun, "dry-run", "n", false, "write nothing")
	a.jsonFlag(cmd)
	cmd.MarkFlagsMutuallyExclusive("new-key", "key")
	return cmd
}

func (a *app) makeDocumentKey(file string, args []string, opts signer.Options) error {
	if len(args) > 0 || opts.Out != "" || opts.Last != "" || opts.Serial != 0 || opts.DryRun {
		return badLine(errors.New("--new-key goes with nothing but --json"))
	}
	made, err := signer.MakeKey(file)
	if err != nil {
		return err
	}
	if a.JSON {
		a.PrintJSON(made)
		return nil
	}
	if made.Made {
		fmt.Fprintf(a.Err, "voipbl: made the key in %s; keep a copy, and keep it off the hub\n", screen.Clean(file))
	} else {
		fmt.Fprintf(a.Err, "voipbl: %s has a key already, which stays\n", screen.Clean(file))
	}
	fmt.Fprintln(a.Out, made.Key)
	return nil
}

func (a *app) signDocument(opts signer.Options) error {
	s, err := signer.Sign(opts)
	if err != nil {
		return err
	}
	if a.JSON {
		a.PrintJSON(s)
		return nil
	}
	on := a.Out
	if opts.Out == "" && !opts.DryRun {
		on = a.Err // the document is what is printed
		if _, err := a.Out.Write(s.Text); err != nil {
			return err
		}
	}
	done := "signed"
	if opts.DryRun {
		done = "would sign"
	}
	fmt.Fprintf(on, "%s: serial %d of %s\n", done, s.Serial, s.At.Local().Format(time.DateTime))
	switch {
	case s.Last == "":
		fmt.Fprintln(on, "it is compared with none, so all of it is new:")
	case len(s.Changes) == 0:
		fmt.Fprintf(on, "it says the same as %s (serial %d)\n", screen.Clean(s.Last), s.After)
	default:
		fmt.Fprintf(on, "changes since %s (serial %d):\n", screen.Clean(s.Last), s.After)
	}
	for _, c := range s.Changes {
		fmt.Fprintln(on, "  "+screen.Clean(c.String()))
	}
	if s.Note != "" {
		fmt.Fprintln(a.Err, "voipbl: "+s.Note)
	}
	if s.File != "" {
		fmt.Fprintf(on, "next: on the hub: voipbl fleet publish %s\n", screen.Clean(s.File))
	}
	return nil
}

func (a *app) fleetPublishCommand() *cobra.Command {
	var opts enroll.PublishOptions
	cmd := &cobra.Command{
		Use:   "publish FILE",
		Short: "Bring a signed document to all hosts of the fleet",
		Long: `On the hub: put a document that "voipbl fleet sign" has signed in the place of
the one before. Hosts that are connected have it within seconds, others when
they connect again. It is refused if the key of the fleet ("voipbl fleet init
--document-key") has not signed it, or if the hub has a newer one.

--dry-run asks the hub, too, and says what would be replaced.

Exit status: 0 the hub has it, or would with --dry-run; 1 not published, or the
hub cannot be asked; 2 usage or configuration.`,
		Example: `  voipbl fleet publish document.signed`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.File = args[0]
			if err := a.atHub(cmd, &opts.HubOptions); err != nil {
				return err
			}
			r, err := enroll.Publish(cmd.Context(), opts)
			if a.shown(r, r.Error) {
				return err
			}
			if err != nil {
				return err
			}
			if len(r.Unknown) > 0 {
				a.Warnings([]string{fmt.Sprintf("the document names %s, which the hub does not know: add what is missing (\"voipbl fleet add\"), or correct the name and sign again", strings.Join(r.Unknown, ", "))})
			}
			if !r.New {
				fmt.Fprintf(a.Out, "the hub has the document with serial %d already\n", r.Serial)
				return nil
			}
			before := "the first that counts"
			if r.Before > 0 {
				before = fmt.Sprintf("in place of %d", r.Before)
			}
			if opts.DryRun {
				fmt.Fprintf(a.Out, "would publish the document with serial %d, %s\ndry run: nothing was changed\n", r.Serial, before)
			} else {
				fmt.Fprintf(a.Out, "the hub has the document with serial %d, %s\n", r.Serial, before)
			}
			return nil
		},
	}
	a.hubFlags(cmd, &opts.HubOptions)
	return cmd
}
