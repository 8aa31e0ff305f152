package rules

import (
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"testing"

	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/lockout"
	"github.com/voipbl/voipbl/logins"
	"github.com/voipbl/voipbl/ruleset"
)

// TestMustWait: when new base rules wait for somebody who asks for them.
func TestMustWait(t *testing.T) {
	agent := func(c Circumstances) Circumstances { c.Unattended = true; return c }
	for _, c := range []struct {
		name string
		is   Circumstances
		want bool
	}{
		{"the agent, on a fresh host that nobody is on", agent(Circumstances{}), false},
		{"the agent, a fresh host, beside somebody on a terminal", agent(Circumstances{Caller: true}), false},
		{"the agent, on a used host", agent(Circumstances{Used: true, Caller: true}), true},
		{"the agent, somebody is logged in", agent(Circumstances{LoggedIn: true}), true},
		{"the agent, somebody may be logged in", agent(Circumstances{MaybeLoggedIn: true}), true},
		{"the agent, a tunnel of which nothing is known", agent(Circumstances{Unclear: true}), true},
		{"the agent, after it has been at work", agent(Circumstances{Established: true}), true},
		{"a sync on a fresh host", Circumstances{LoggedIn: true, MaybeLoggedIn: true}, false},
		{"a sync from cron on a used host", Circumstances{Used: true, LoggedIn: true}, true},
		{"a sync that somebody waits for", Circumstances{Used: true, Caller: true}, false},
		{"by hand", Circumstances{ByHand: true, Used: true, LoggedIn: true, MaybeLoggedIn: true}, false},
	} {
		if got := c.is.mustWait(); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestCaller: a caller counts as waiting if connected or at a terminal, and doing more than
// looking.
func TestCaller(t *testing.T) {
	here := logins.Connection{Client: netip.MustParseAddrPort("192.0.2.1:50000"), Server: netip.MustParseAddrPort("192.0.2.2:22")}
	for _, c := range []struct {
		how      How
		from     logins.Connection
		terminal bool
		want     Circumstances
	}{
		{How{}, logins.Connection{}, false, Circumstances{}},
		{How{}, here, false, Circumstances{Caller: true}},
		{How{}, logins.Connection{}, true, Circumstances{Caller: true}},
		{How{}, here, true, Circumstances{Caller: true}},
		{How{OnlyLooks: true}, here, true, Circumstances{}},
		{How{ByHand: true, Force: true}, logins.Connection{}, true, Circumstances{ByHand: true, Force: true, Caller: true}},
		{How{Unattended: true, Established: true}, logins.Connection{}, false, Circumstances{Unattended: true, Established: true}},
	} {
		if got := c.how.circumstances(c.from, c.terminal); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v from %v, at a terminal: %v: %+v, want %+v", c.how, c.from, c.terminal, got, c.want)
		}
	}
}

// TestBeside: who is logged in counts, and whether base rules would let them in again.
func TestBeside(t *testing.T) {
	base := ruleset.Base{
		LocalNetworks: []netip.Prefix{netip.MustParsePrefix("192.168.7.0/24")},
		Services:      []ruleset.Service{{Name: "ssh", Proto: "tcp", Ports: []iptables.PortRange{{First: 22, Last: 22}}}},
	}
	from := func(addrs ...string) (sessions []logins.Login) {
		for _, a := range addrs {
			sessions = append(sessions, logins.Login{From: netip.MustParseAddr(a), Port: 22})
		}
		return sessions
	}
	vpn := host.Ways{Listeners: []host.Listener{{Proto: "udp", Addr: netip.IPv4Unspecified(), Port: 51820, VPN: "wireguard"}}}
	for _, c := range []struct {
		name                string
		logins, connections []logins.Login
		unknown             error
		ways                host.Ways
		logged, maybe       bool
		out                 int
	}{
		{"nobody", nil, nil, nil, host.Ways{}, false, false, 0},
		{"somebody who is let in", from("192.168.7.7"), from("192.168.7.7"), nil, host.Ways{}, true, false, 0},
		{"somebody who is not", from("192.0.2.7"), from("192.0.2.7"), nil, host.Ways{}, true, true, 1},
		{"a connection that is not", nil, from("192.0.2.7"), nil, host.Ways{}, false, true, 0},
		{"it is not known", nil, nil, net.ErrClosed, host.Ways{}, false, true, 0},
		{"a VPN", from("192.0.2.7"), nil, nil, vpn, true, false, 2},
	} {
		got := Circumstances{Caller: true}.beside(base, [2]*iptables.Saved{}, c.logins, c.connections, c.unknown, c.ways)
		if !got.Caller || got.LoggedIn != c.logged || got.MaybeLoggedIn != c.maybe || got.Unclear || len(got.Out) != c.out {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// TestRefusal: which circumstance has the last word about new base rules.
func TestRefusal(t *testing.T) {
	owner, out := &otherOwnerError{Owners: []string{"ufw"}}, []lockout.ShutOut{{What: "a session"}}
	for _, c := range []struct {
		name string
		is   Circumstances
		want error // nil, or one of the same type
	}{
		{"nothing speaks against it", Circumstances{ByHand: true}, nil},
		{"another owner, also by force", Circumstances{ByHand: true, Force: true, Owner: owner}, owner},
		{"another owner, of rules that were confirmed", Circumstances{Accepted: true, Owner: owner}, owner},
		{"confirmed before", Circumstances{Unattended: true, Established: true, Accepted: true, Out: out}, nil},
		{"somebody would be locked out", Circumstances{ByHand: true, Out: out}, &lockout.ShutOutError{}},
		{"by force", Circumstances{ByHand: true, Force: true, Out: out}, nil},
		{"somebody would be, by a sync that nobody waits for", Circumstances{Used: true, Out: out}, &lockout.ShutOutError{}},
		{"a sync that nobody waits for", Circumstances{Used: true}, &unattendedError{}},
		{"nobody is there", Circumstances{Unattended: true, Established: true, Out: out}, &unattendedError{}},
	} {
		if got := c.is.refusal(); fmt.Sprintf("%T", got) != fmt.Sprintf("%T", c.want) {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
