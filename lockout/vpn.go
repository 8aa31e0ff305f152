package lockout

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/logins"
	"github.com/voipbl/voipbl/ruleset"
)

// ShutVPNs returns the VPNs that base rules lock out. New base rules let an existing
// tunnel continue, because its connection is established, but not reconnect: then the
// host could no longer be reached. So VPNs are checked even if nobody is logged in
// through them.
func ShutVPNs(base ruleset.Base, saved [2]*iptables.Saved, ways host.Ways, sessions []logins.Login) []ShutOut {
	var out []ShutOut
	for _, c := range VPN(Find(base, saved, ways.Listeners)) {
		o := ShutOut{What: vpnName(c), Reason: "no rule opens it", Add: c.Remedy}
		if len(c.OpenTo) > 0 {
			o.Reason = "it is open for the local networks only"
		}
		if behind := sessionsBehind(ways, c, sessions); len(behind) > 0 {
			o.Reason += ", and the SSH session from " + strings.Join(behind, " and ") + " comes in through it"
		}
		out = append(out, o)
	}
	return out
}

// Unclear reports whether there is a tunnel of which it is not known whether base rules
// lock it out.
func Unclear(ways host.Ways) bool { return slices.ContainsFunc(ways.Tunnels, ways.Mystery) }

func vpnName(c Closed) string {
	name := "the VPN " + c.VPN
	if c.Program != "" && c.Program != c.VPN {
		name += " (" + c.Program + ")"
	}
	return name + " at " + c.Place()
}

// sessionsBehind returns the clients that are logged in through a VPN's listener.
func sessionsBehind(ways host.Ways, c Closed, sessions []logins.Login) []string {
	var all []string
	for _, l := range sessions {
		t, through := ways.Through(l.From, netip.Addr{})
		if through && slices.ContainsFunc(ways.Outer(t), func(o host.Listener) bool { return o.Proto == c.Proto && o.Port == c.Port }) {
			all = append(all, l.From.String())
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// tunnelError is returned for a confirmation that came in through a tunnel. The tunnel
// existed before the rules, so it does not prove that the rules let anyone in.
type tunnelError struct {
	Tunnel   string
	Closed   []Closed // closed listeners that carry the tunnel; none if that is not known
	Deadline time.Time
}

func (e *tunnelError) Error() string {
	text := fmt.Sprintf("this SSH connection comes in through the tunnel %s, which was there before the rules", e.Tunnel)
	if len(e.Closed) == 0 {
		return text + ", and it is not known what carries it"
	}
	var all []string
	for _, c := range e.Closed {
		all = append(all, c.Place())
	}
	return text + ", and they close " + strings.Join(all, " and ") + ", which it needs to come again"
}

// Remedy returns what to do about it.
func (e *tunnelError) Remedy() string {
	sure := fmt.Sprintf("log in past the tunnel and confirm there, before %s, or use --here if you know that it comes again", e.Deadline.Local().Format(time.TimeOnly))
	var all []string
	for _, c := range e.Closed {
		if !slices.Contains(all, c.Remedy) {
			all = append(all, c.Remedy)
		}
	}
	if len(all) == 0 {
		return sure
	}
	return "\"voipbl firewall rollback\", " + strings.Join(all, ", and ") + ", and apply once more; or " + sure
}

// CheckTunnel refuses a confirmation that came in through a tunnel that could not
// reconnect under the rules.
func CheckTunnel(base ruleset.Base, saved [2]*iptables.Saved, ways host.Ways, c logins.Connection, deadline time.Time) error {
	t, through := ways.Through(c.Client.Addr(), c.Server.Addr())
	if !through {
		return nil
	}
	name := t.Interface
	if name == "" {
		name = t.Kind
	}
	outer := ways.Outer(t)
	closed := VPN(Find(base, saved, outer))
	if len(closed) > 0 || len(outer) == 0 && t.Program == "" {
		return &tunnelError{name, closed, deadline}
	}
	return nil
}
