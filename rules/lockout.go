package rules

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/reach"
)

// LockoutError is base rules that would keep somebody out: who is logged in now, or who
// comes in by a VPN.
type LockoutError struct{ Out []ShutOut }

// ShutOut is a session or a VPN that base rules do not let in.
type ShutOut struct {
	What   string // such as "the SSH session from 192.0.2.7 to port 22"
	Reason string // why it is shut out
	Add    string // the setting that lets it in
}

func (e *LockoutError) Error() string {
	var all []string
	for _, o := range e.Out {
		all = append(all, o.What+": "+o.Reason)
	}
	return "the base rules would lock out " + strings.Join(all, "; and ")
}

// Remedy says what to do about it.
func (e *LockoutError) Remedy() string {
	var all []string
	for _, o := range e.Out {
		if !slices.Contains(all, o.Add) {
			all = append(all, o.Add)
		}
	}
	return strings.Join(all, ", and ") + "; or, if another rule in INPUT lets it in, \"voipbl firewall apply --force\""
}

// Explain describes it; see problemOf.
func (e *LockoutError) Explain() (reason, what, remedy string) {
	return problem.ReasonLockout, "", e.Remedy()
}

// lockoutError is nil if nobody is shut out.
func lockoutError(out []ShutOut) error {
	if len(out) == 0 {
		return nil
	}
	return &LockoutError{out}
}

// shutOut are the sessions that base rules do not let in.
func shutOut(base firewall.Base, logins []host.Login) []ShutOut {
	var out []ShutOut
	for _, l := range logins {
		o := ShutOut{What: fmt.Sprintf("the SSH session from %s to port %d", l.From, l.Port)}
		same := func(other ShutOut) bool { return other.What == o.What }
		if base.Admits(l.From, l.Port) || slices.ContainsFunc(out, same) {
			continue
		}
		known := slices.ContainsFunc(base.Services, func(s firewall.Service) bool {
			return s.Proto == "tcp" && slices.ContainsFunc(s.Ports, func(p firewall.PortRange) bool { return p.Has(l.Port) })
		})
		if known {
			o.Reason = "that address is not in firewall.local_networks"
			o.Add = fmt.Sprintf("add %q to firewall.local_networks", l.From)
		} else {
			o.Reason = "no service in firewall.services has that port"
			o.Add = fmt.Sprintf("add {name: ssh-%[1]d, proto: tcp, ports: \"%[1]d\", from: lan} to firewall.services", l.Port)
			if !slices.ContainsFunc(base.LocalNetworks, func(p netip.Prefix) bool { return p.Contains(l.From) }) {
				o.Add += fmt.Sprintf(" and %q to firewall.local_networks", l.From)
			}
		}
		out = append(out, o)
	}
	return out
}

// UnattendedError is new base rules on a host that is in use already, and nobody
// there to be let in or locked out: cron has found a change in the configuration.
// On a fresh host there is nothing to lose, and provisioning is what installs it.
type UnattendedError struct{ Others bool } // others are in force

func (e *UnattendedError) Error() string {
	if e.Others {
		return "the base rules have changed, and nobody has tried yet whether they let an admin in: those from before stay in force"
	}
	return "the base rules are new, and nobody has tried yet whether they let an admin in: they are not installed"
}

// Remedy says what to do about it.
func (*UnattendedError) Remedy() string {
	return "log in by SSH and run \"voipbl firewall apply\", which puts them on trial"
}

// Explain describes it; see problemOf.
func (e *UnattendedError) Explain() (reason, what, remedy string) {
	return problem.ReasonUntried, "", e.Remedy()
}

// onTerminal reports whether a person may be watching.
func onTerminal() bool {
	return term.IsTerminal(int(os.Stderr.Fd())) || term.IsTerminal(int(os.Stdin.Fd()))
}

// OtherOwnerError is another program being the firewall of this host.
type OtherOwnerError struct {
	Owners []string
	There  bool // base rules of ours are in force beside it
}

func (e *OtherOwnerError) Error() string {
	what := "not installed"
	if e.There {
		what = "left as they are"
	}
	return "the base rules are " + what + " beside " + strings.Join(e.Owners, " and ") + ": with two owners of INPUT each undoes what the other one lets in"
}

// Remedy says what to do about it.
func (e *OtherOwnerError) Remedy() string {
	return host.SwitchOffRemedy(e.Owners) + "; or set \"firewall: {base: false}\" (blocked addresses are dropped all the same), or set \"beside_others: true\""
}

// checkOwners refuses base rules beside another owner of INPUT.
func (r *Hold) checkOwners(ctx context.Context, saved [2]*firewall.Saved) error {
	if r.Cfg.Firewall.BesideOthers {
		return nil
	}
	known, _ := reach.WithOther(ctx, reach.KernelRules{Backend: r.Fw.Backend, Used: true, Saved: saved}) // what cannot be read owns nothing that we see
	native, _ := reach.ReadNative(ctx, known, false)
	owners := reach.OtherOwners(known, native)
	if len(owners) == 0 {
		return nil
	}
	return &OtherOwnerError{owners, saved[firewall.IPv4].HasBase()}
}
