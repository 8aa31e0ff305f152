package lockout

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/logins"
	"github.com/voipbl/voipbl/ruleset"
)

// ShutOutError is returned for base rules that would lock out a login session or a VPN.
type ShutOutError struct{ Out []ShutOut }

// ShutOut is a session or a VPN that base rules do not let in.
type ShutOut struct {
	What   string // such as "the SSH session from 192.0.2.7 to port 22"
	Reason string // why the rules do not let it in
	Add    string // the setting that lets it in
}

func (e *ShutOutError) Error() string {
	var all []string
	for _, o := range e.Out {
		all = append(all, o.What+": "+o.Reason)
	}
	return "the base rules would lock out " + strings.Join(all, "; and ")
}

// Remedy returns what to do about it.
func (e *ShutOutError) Remedy() string {
	var all []string
	for _, o := range e.Out {
		if !slices.Contains(all, o.Add) {
			all = append(all, o.Add)
		}
	}
	return strings.Join(all, ", and ") + "; or, if another rule in INPUT lets it in, \"voipbl firewall apply --force\""
}

// Explain returns a word, a sentence and the remedy; see [problem.Of].
func (e *ShutOutError) Explain() (reason, what, remedy string) {
	return problem.ReasonLockout, "", e.Remedy()
}

// Refuse returns a [*ShutOutError], or nil if out is empty.
func Refuse(out []ShutOut) error {
	if len(out) == 0 {
		return nil
	}
	return &ShutOutError{out}
}

// ShutSessions returns the sessions that base rules do not let in.
func ShutSessions(base ruleset.Base, sessions []logins.Login) []ShutOut {
	var out []ShutOut
	for _, l := range sessions {
		o := ShutOut{What: fmt.Sprintf("the SSH session from %s to port %d", l.From, l.Port)}
		same := func(other ShutOut) bool { return other.What == o.What }
		if base.Admits(l.From, l.Port) || slices.ContainsFunc(out, same) {
			continue
		}
		known := slices.ContainsFunc(base.Services, func(s ruleset.Service) bool {
			return s.Proto == "tcp" && slices.ContainsFunc(s.Ports, func(p iptables.PortRange) bool { return p.Has(l.Port) })
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
