package rules

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"

	"github.com/voipbl/voipbl/host"
)

// TestMustWait asks when base rules that are new wait for somebody who asks for them.
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

// TestCaller: somebody waits for a command who is connected or at a terminal, and who does
// more than look.
func TestCaller(t *testing.T) {
	here := host.Connection{Client: netip.MustParseAddrPort("192.0.2.1:50000"), Server: netip.MustParseAddrPort("192.0.2.2:22")}
	for _, c := range []struct {
		how      How
		from     host.Connection
		terminal bool
		want     Circumstances
	}{
		{How{}, host.Connection{}, false, Circumstances{}},
		{How{}, here, false, Circumstances{Caller: true}},
		{How{}, host.Connection{}, true, Circumstances{Caller: true}},
		{How{}, here, true, Circumstances{Caller: true}},
		{How{OnlyLooks: true}, here, true, Circumstances{}},
		{How{ByHand: true, Force: true}, host.Connection{}, true, Circumstances{ByHand: true, Force: true, Caller: true}},
		{How{Unattended: true, Established: true}, host.Connection{}, false, Circumstances{Unattended: true, Established: true}},
	} {
		if got := c.how.circumstances(c.from, c.terminal); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v from %v, at a terminal: %v: %+v, want %+v", c.how, c.from, c.terminal, got, c.want)
		}
	}
}

// TestRefusal asks who has the last word about new base rules.
func TestRefusal(t *testing.T) {
	owner, out := &OtherOwnerError{Owners: []string{"ufw"}}, []ShutOut{{What: "a session"}}
	for _, c := range []struct {
		name string
		is   Circumstances
		want error // nil, or one of the same type
	}{
		{"nothing speaks against it", Circumstances{ByHand: true}, nil},
		{"another owner, also by force", Circumstances{ByHand: true, Force: true, Owner: owner}, owner},
		{"another owner, of rules that were confirmed", Circumstances{Accepted: true, Owner: owner}, owner},
		{"confirmed before", Circumstances{Unattended: true, Established: true, Accepted: true, Out: out}, nil},
		{"somebody would be locked out", Circumstances{ByHand: true, Out: out}, &LockoutError{}},
		{"by force", Circumstances{ByHand: true, Force: true, Out: out}, nil},
		{"somebody would be, by a sync that nobody waits for", Circumstances{Used: true, Out: out}, &LockoutError{}},
		{"a sync that nobody waits for", Circumstances{Used: true}, &UnattendedError{}},
		{"nobody is there", Circumstances{Unattended: true, Established: true, Out: out}, &UnattendedError{}},
	} {
		if got := c.is.refusal(); fmt.Sprintf("%T", got) != fmt.Sprintf("%T", c.want) {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
