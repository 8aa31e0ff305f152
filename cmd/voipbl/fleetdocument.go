package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/fleet/docfile"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/screen"
)

// exitNoDocument is the exit code of "fleet document" if none counts.
const exitNoDocument = 1

// documentReport is the document as JSON.
type documentReport struct {
	*blocklist.DocumentStatus `json:"document"`
	Hosts                     []string            `json:"hosts"`   // all hosts of the fleet, if it says so
	Trust                     []string            `json:"trust"`   // whose word alone counts
	Exempts                   []blocklist.Allowed `json:"exempts"` // whom it allows, with the addresses of names as they are here
}

func (a *app) fleetDocumentCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "document",
		Short: "Show the document of the fleet that counts here",
		Long: `Show what the operator of the fleet tells all its hosts, as it counts on this
one: whom it allows here beside the configuration, whose word alone counts, and
who is no longer believed. It was signed with the operator's key (fleet.key),
and came by the hub.

Exit status: 0 one counts; 3 one counts, and something is wrong; 1 none counts;
2 usage or configuration.`,
		Example: `  voipbl fleet document
  voipbl fleet document --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := a.configInForce(cmd)
			if err != nil {
				return err
			}
			status := blocklist.DocumentNow(cmd.Context(), cfg, version)
			if status.Serial == 0 && len(status.Problems) == 0 && !cfg.Fleet.HasDocument() {
				status.Problems = append(status.Problems, noDocumentKey(cfg.Fleet))
			}
			r := documentReport{DocumentStatus: status, Hosts: []string{}, Trust: []string{}, Exempts: []blocklist.Allowed{}}
			if status.Serial != 0 {
				b := docfile.Read(cfg)
				r.Hosts, r.Trust = append(r.Hosts, b.Hosts...), append(r.Trust, b.Trust...)
				allowed, _, err := blocklist.ReadAllowedHosts(cmd.Context(), cfg)
				if err != nil {
					return err
				}
				for _, h := range allowed {
					if h.Source == exempt.FleetAllowReason || h.Source == exempt.FleetTrunkReason {
						r.Exempts = append(r.Exempts, h)
					}
				}
			}
			if a.JSON {
				a.PrintJSON(r)
			} else {
				a.printDocument(r)
			}
			switch {
			case status.Serial == 0:
				return &exit.Error{Code: exitNoDocument}
			case len(status.Problems) > 0:
				return &exit.Error{Code: exit.Stale}
			}
			return nil
		},
	}
	a.jsonFlag(cmd)
	return cmd
}

// noDocumentKey is why a host takes no document that has no key for it.
func noDocumentKey(cfg config.Fleet) *problem.Problem {
	if !cfg.On() {
		return &problem.Problem{Error: "this host is in no fleet", Remedy: "voipbl fleet join FILE, with the file that \"voipbl fleet add\" has written on the hub"}
	}
	return &problem.Problem{Error: "this host does not know by which key it is to verify documents (fleet.key)", Remedy: "write the public key that \"voipbl fleet sign --new-key\" has printed into fleet.key of the configuration, then \"voipbl reload\""}
}

func (a *app) printDocument(r documentReport) {
	if r.Serial == 0 {
		words := "no document counts here"
		if len(r.Problems) == 0 {
			words += ": none has come from the hub yet"
		}
		fmt.Fprintln(a.Out, words)
	} else {
		fmt.Fprintf(a.Out, "serial %d, signed %s (%s)\n", r.Serial, r.At.Local().Format(time.DateTime), screen.Ago(r.At, time.Now()))
		var t screen.Table
		for _, h := range r.Exempts {
			t.Row(screen.Shorten(h.Host, 40), h.Source, exempt.AddrList(h.Addresses))
		}
		t.Print(a.Out)
		for _, list := range []struct {
			what  string
			names []string
		}{{"trusted", r.Trust}, {"no longer believed", r.Revoked}, {"hosts of the fleet", r.Hosts}} {
			if len(list.names) > 0 {
				fmt.Fprintf(a.Out, "%s: %s\n", list.what, strings.Join(list.names, ", "))
			}
		}
		if r.Minimum != "" {
			fmt.Fprintf(a.Out, "voipbl %s or newer\n", r.Minimum)
		}
	}
	for _, p := range r.Problems {
		fmt.Fprintf(a.Err, "voipbl: %s\n  try: %s\n", screen.Clean(p.Error), screen.Clean(p.Remedy))
	}
}
