package agent

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/voipbl/voipbl/firewall"
)

// LockoutError is base rules that would keep somebody out who is logged in.
type LockoutError struct {
	Login  login
	Reason string // why they would
	Add    string // the setting that would let the session in
}

func (e *LockoutError) Error() string {
	return fmt.Sprintf("the base rules would lock out the SSH session from %s to port %d: %s", e.Login.from, e.Login.port, e.Reason)
}

// Remedy says what to do about it.
func (e *LockoutError) Remedy() string {
	return e.Add + "; or, if another rule in INPUT lets it in, \"voipbl firewall apply --force\""
}

// checkLockout refuses base rules that do not let in whoever is logged in now.
func checkLockout(base firewall.Base, logins []login) error {
	for _, l := range logins {
		if base.Admits(l.from, l.port) {
			continue
		}
		e := &LockoutError{Login: l}
		known := slices.ContainsFunc(base.Services, func(s firewall.Service) bool {
			return s.Proto == "tcp" && slices.ContainsFunc(s.Ports, func(p firewall.PortRange) bool { return p.First <= l.port && l.port <= p.Last })
		})
		if known {
			e.Reason = "that address is not in firewall.local_networks"
			e.Add = fmt.Sprintf("add %q to firewall.local_networks", l.from)
		} else {
			e.Reason = "no service in firewall.services has that port"
			e.Add = fmt.Sprintf("add {name: ssh-%[1]d, proto: tcp, ports: \"%[1]d\", from: lan} to firewall.services", l.port)
			if !slices.ContainsFunc(base.LocalNetworks, func(p netip.Prefix) bool { return p.Contains(l.from) }) {
				e.Add += fmt.Sprintf(" and %q to firewall.local_networks", l.from)
			}
		}
		return e
	}
	return nil
}

// UnattendedError is new base rules on a host that is in use already, and nobody
// there to be let in or locked out: cron has found a change in the configuration.
// On a fresh host there is nothing to lose, and provisioning is what installs it.
type UnattendedError struct{}

func (*UnattendedError) Error() string {
	return "the base rules are new, and nobody has tried yet whether they let him in: they are not installed"
}

// Remedy says what to do about it.
func (*UnattendedError) Remedy() string {
	return "log in by SSH and run \"voipbl firewall apply\", which puts them on trial"
}

// onTerminal reports whether a person may be watching.
func onTerminal() bool {
	return term.IsTerminal(int(os.Stderr.Fd())) || term.IsTerminal(int(os.Stdin.Fd()))
}

// OtherOwnerError is another program being the firewall of this host.
type OtherOwnerError struct{ Owners []string }

func (e *OtherOwnerError) Error() string {
	return "the base rules are not installed beside " + strings.Join(e.Owners, " and ") + ": with two owners of INPUT each undoes what the other one lets in"
}

// Remedy says what to do about it.
func (e *OtherOwnerError) Remedy() string {
	return "switch it off, or leave \"firewall: {base: false}\" (blocked addresses are dropped all the same), or set \"beside_others: true\""
}

// checkOwners refuses base rules beside another owner of INPUT.
func (r *rules) checkOwners(ctx context.Context, saved [2]*firewall.Saved) error {
	if r.cfg.Firewall.BesideOthers {
		return nil
	}
	known, _ := withOther(ctx, KernelRules{r.fw.Backend, true, saved}) // what cannot be read owns nothing that we see
	owners := OtherOwners(known)
	if len(owners) == 0 {
		return nil
	}
	return &OtherOwnerError{owners}
}
