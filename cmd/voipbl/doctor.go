package main

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/advise"
	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/probe"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/lockout"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/show"
	"github.com/voipbl/voipbl/survey"
)

// Exit codes of doctor. If it cannot look, it exits with exit.Usage.
const (
	exitProblems = 1
	exitWarnings = 3
)

func (a *app) doctorCommand() *cobra.Command {
	var look survey.Options
	var client string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find what weakens the protection",
		Long: `Look on this host for anything that makes the protection weaker than it seems:
rules in the other backend of iptables, open IPv6, ports of containers that
bypass INPUT, bans of fail2ban that no rule enforces, an Asterisk without its
security log, rules that packets never reach, stale lists, blocked phones and
trunks, a VPN that the base rules close, and the like. Nothing is changed.

Exit status: 0 nothing found, or only notes; 1 problems; 3 only warnings; 2
error.`,
		Example: `  voipbl doctor
  voipbl doctor --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			look.Fail2banClient = strings.Fields(client)
			return a.doctor(cmd, look)
		},
	}
	lookFlags(cmd, &look, &client)
	a.jsonFlag(cmd)
	return cmd
}

// lookFlags adds the options of verbs that look at the machine.
func lookFlags(cmd *cobra.Command, look *survey.Options, client *string) {
	cmd.Flags().StringVar(&look.Root, "root", "", "look at the files below `DIR`, such as a container's")
	cmd.Flags().StringVar(client, "fail2ban", "", "ask fail2ban by `COMMAND` (fail2ban-client)")
}

func (a *app) doctor(cmd *cobra.Command, look survey.Options) error {
	force, err := a.inForce(cmd)
	if err != nil {
		return err
	}
	cfg, ctx := force.Config, reach.AtOneMoment(cmd.Context())
	in := advise.Input{Config: cfg, SecretFile: secretFile(cfg, force.file)}
	if in.Status, err = blocklist.ReadStatus(ctx, cfg, version, time.Now(), force.other()); err != nil {
		return &exit.Error{Code: exit.Usage, Err: err}
	}
	if in.Rules, err = reach.ReadKernelRules(ctx, cfg); err != nil && in.Status.Rules.Problem == nil {
		return &exit.Error{Code: exit.Usage, Err: err}
	}
	var unread error
	in.Native, unread = reach.ReadNative(ctx, in.Rules, true)
	in.Facts = survey.Look(ctx, look)
	var unlike error
	if in.Unconnected, unlike = survey.Unconnected(ctx, look.Root, in.Facts.Asterisk, cfg); unlike != nil {
		in.Facts.Unknown = append(in.Facts.Unknown, probe.Unknown{What: "how Asterisk is connected", Error: unlike.Error(), Remedy: problem.RemedyOf(unlike)})
	}
	if unread != nil {
		in.Facts.Unknown = append(in.Facts.Unknown, probe.Unknown{What: "the rules of nftables", Error: unread.Error(), Remedy: "run \"voipbl doctor\" again, as root"})
	}
	if in.Exempt, err = exemptOf(ctx, cfg, advise.Banned(in.Facts)); err != nil {
		return &exit.Error{Code: exit.Usage, Err: err}
	}
	if in.Resolved, in.Checks, err = checkPeers(ctx, cfg, in.Facts, slices.Concat(advise.Friends(in), advise.TrustedByFreePBX(in))); err != nil {
		return &exit.Error{Code: exit.Usage, Err: err}
	}
	in.Closed = []lockout.Closed{}
	if in.Status.Rules.Base == rules.BaseOn {
		in.Closed = rules.ClosedListeners(cfg, in.Rules, in.Facts.Listeners)
		for i, c := range in.Closed {
			in.Closed[i].Remedy = in.Status.Mended(c.Remedy)
		}
	}
	report := show.DoctorReport{Findings: append([]advise.Finding{}, advise.Findings(in)...), Closed: in.Closed, Facts: in.Facts}
	if p := force.trouble(in.Status.Agent); p != nil {
		report.Findings = append([]advise.Finding{{
			Code: advise.ConfigRefused, Severity: advise.Problem, Text: problem.OneLine(p.Error),
			Why: "your changes are not in force", Remedy: p.Remedy,
		}}, report.Findings...)
	}
	report.Healthy = !slices.ContainsFunc(report.Findings, func(f advise.Finding) bool { return f.Severity != advise.Note })
	if a.JSON {
		a.PrintJSON(report)
	} else {
		show.Findings(a.Screen, report)
	}
	switch {
	case report.Healthy:
		return nil
	case report.Findings[0].Severity == advise.Problem: // problems come first
		return &exit.Error{Code: exitProblems}
	}
	return &exit.Error{Code: exitWarnings}
}

// exemptOf returns those of the addresses that are exempt.
func exemptOf(ctx context.Context, cfg config.Config, addrs []netip.Addr) (map[netip.Addr]exempt.Exemption, error) {
	spared := make(map[netip.Addr]exempt.Exemption)
	if len(addrs) == 0 {
		return spared, nil
	}
	var queries []netip.Prefix
	for _, addr := range addrs {
		queries = append(queries, netip.PrefixFrom(addr, addr.BitLen()))
	}
	report, err := exempt.Ask(ctx, cfg, queries, false)
	if err != nil {
		return nil, err
	}
	for i, e := range report.Exemptions {
		if e.Exempt {
			spared[addrs[i]] = e
		}
	}
	return spared, nil
}

// peerLookup limits how long names of trunks are looked up. A name that does not resolve in time is
// judged by the name alone.
const peerLookup = 5 * time.Second

// checkPeers finds out what is known about the host's phones and trunks, and about friends.
func checkPeers(ctx context.Context, cfg config.Config, facts survey.Facts, friends []netip.Prefix) (map[string][]netip.Addr, map[netip.Prefix]blocklist.CheckReport, error) {
	prefixes, names := advise.Peers(facts)
	prefixes = append(prefixes, friends...)
	found := make(map[string][]netip.Addr)
	lookup, cancel := context.WithTimeout(ctx, peerLookup)
	defer cancel()
	for _, name := range names {
		addrs, _ := net.DefaultResolver.LookupNetIP(lookup, "ip", name)
		for _, addr := range addrs {
			addr = addr.Unmap()
			found[name] = append(found[name], addr)
			prefixes = append(prefixes, netip.PrefixFrom(addr, addr.BitLen()))
		}
	}
	reports, _, err := blocklist.Check(ctx, cfg, prefixes)
	if err != nil {
		return nil, nil, err
	}
	checks := make(map[netip.Prefix]blocklist.CheckReport)
	for i, r := range reports {
		checks[prefixes[i]] = r
	}
	return found, checks, nil
}
