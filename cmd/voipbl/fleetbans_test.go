package main

import (
	"net/netip"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFleetPolicy: what one host bans is banned on others as their policy says, and for as long.
func TestFleetPolicy(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	one := f.join("acme_pbx1", "agree: 2\n", "")
	trusting := f.join("acme_pbx2", "agree: 5\ntrust: [zeta]\n", "")
	any := f.join("zeta_pbx1", "agree: 1\n", "allow: [203.0.113.0/24]\n")

	one.does("ban", "6.6.6.1", "2a00:9::7", "--reason", "fail2ban asterisk")
	any.gets("6.6.6.1", "2a00:9::/64")
	if out := any.does("bans"); !lines(out, `^6\.6\.6\.1 .* fleet: acme_pbx1: fail2ban asterisk$`) {
		t.Errorf("%s", out)
	}
	if out := any.does("check", "6.6.6.1"); !strings.Contains(out, "acme_pbx1: fail2ban asterisk") || !strings.Contains(out, "\"voipbl unban 6.6.6.1\" ends that here") {
		t.Errorf("%s", out)
	}
	any.does("ban", "6.6.6.2")
	trusting.gets("6.6.6.2")

	t.Log("two sites agree")
	if one.has("6.6.6.2") || trusting.has("6.6.6.1") {
		t.Errorf("one site is enough: %v, %v", one.bans(), trusting.bans())
	}
	one.does("ban", "6.6.6.3")
	any.gets("6.6.6.3") // so that it is no news of the fleet that it says below
	any.does("ban", "6.6.6.3")
	trusting.gets("6.6.6.3")

	t.Log("who is exempt here, and what was taken back here")
	one.does("ban", "203.0.113.9", "6.6.6.4")
	any.gets("6.6.6.4")
	any.does("unban", "6.6.6.4")
	one.does("ban", "6.6.6.5")
	any.gets("6.6.6.5")
	if any.has("203.0.113.9") || any.has("6.6.6.4") {
		t.Errorf("%v", any.bans())
	}
	one.does("unban", "6.6.6.4")
	one.does("ban", "6.6.6.4")
	one.does("ban", "6.6.6.6")
	any.gets("6.6.6.6")
	if any.has("6.6.6.4") {
		t.Error("what was taken back here is banned, since another host says it once more")
	}

	t.Log("a phone that is registered here")
	p := &pbxSide{any.runningAgent, filepath.Join(any.dir, "run")}
	if a, err := p.register("198.51.100.7"); err != nil || a.Known != 1 {
		t.Fatalf("%v: %+v", err, a)
	}
	one.does("ban", "198.51.100.7")
	one.does("ban", "6.6.6.7")
	any.gets("6.6.6.7")
	if any.has("198.51.100.7") {
		t.Error("a phone is banned")
	}

	t.Log("taken back, and at the end of its time")
	one.does("unban", "6.6.6.1")
	any.loses("6.6.6.1")
	one.does("ban", "--for", "3s", "6.6.6.8")
	one.does("ban", "6.6.6.9")
	any.gets("6.6.6.9")
	any.loses("6.6.6.8")
	one.loses("6.6.6.8")
	if !any.has("6.6.6.2", "6.6.6.3", "6.6.6.5", "6.6.6.6", "6.6.6.7", "6.6.6.9", "2a00:9::/64") {
		t.Errorf("%v", any.bans())
	}

	t.Log("no fleet any more: its bans go, and this host's stay")
	any.host.configure("allow: [203.0.113.0/24]\n", any.nearFeed())
	any.does("reload")
	any.loses("6.6.6.5")
	if bans := any.bans(); len(bans) != 2 || !any.has("6.6.6.2", "6.6.6.3") {
		t.Errorf("%v", bans)
	}
	trusting.loses("6.6.6.2") // a host that leaves takes back what it has said
	any.configure("agree: 1\npublish: false\n", "allow: [203.0.113.0/24]\n")
	any.does("reload")
	any.gets("6.6.6.5")
	if trusting.has("6.6.6.2") {
		t.Error("it is told to others")
	}
}

// TestFleetDeaths: whatever dies comes back to what is in force, and nothing is opened meanwhile.
func TestFleetDeaths(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	one := f.join("acme_pbx1", "agree: 1\n", "")
	other := f.join("zeta_pbx1", "agree: 1\n", "")
	one.does("ban", "6.6.6.1")
	other.gets("6.6.6.1")
	n := 1
	for what, die := range map[string]func(){
		"the process that hears": func() { other.process.end(syscall.SIGKILL); other.startProcess() },
		"the process that hears, and ends in order": func() {
			if code := other.process.end(syscall.SIGTERM); code != 0 {
				t.Errorf("it ends with %d", code)
			}
			other.startProcess()
		},
		"the process that says": func() { one.process.end(syscall.SIGKILL); one.startProcess() },
		"the agent that hears":  func() { other.end(syscall.SIGKILL); other.startAgent() },
		"the agent that says":   func() { one.end(syscall.SIGKILL); one.startAgent() },
		"the hub":               func() { f.hub.Kill(); f.hub.Run() },
	} {
		n++
		t.Log(what)
		addr := netip.AddrFrom4([4]byte{6, 6, 6, byte(n)}).String()
		stop := other.watch("6.6.6.1")
		die()
		one.does("ban", addr)
		other.gets(addr)
		if gone := stop(); gone {
			t.Errorf("%s: meanwhile, a ban was not in force", what)
		}
	}
}

// watch looks all the time whether an address is banned, until it is told to stop.
func (m *fleetMember) watch(addr string) (stop func() (gone bool)) {
	end, ended := make(chan struct{}), make(chan bool)
	m.at.Go(func() {
		gone := false
		for {
			select {
			case <-end:
				ended <- gone
				return
			case <-time.After(20 * time.Millisecond):
				gone = gone || !m.kernelBans()[addr]
			}
		}
	})
	return func() bool { close(end); return <-ended }
}

// TestFleetHubLost: a hub that has lost its store, or has one of yesterday, is told again by all.
func TestFleetHubLost(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	one := f.join("acme_pbx1", "agree: 1\n", "")
	other := f.join("zeta_pbx1", "agree: 1\n", "")
	one.does("ban", "6.6.6.1", "6.6.6.2")
	other.does("ban", "6.6.6.10")
	one.gets("6.6.6.10")
	other.gets("6.6.6.1", "6.6.6.2")
	stop := other.watch("6.6.6.1")

	t.Log("the store is empty")
	f.hub.Lose()
	one.does("ban", "6.6.6.3")
	one.does("unban", "6.6.6.2")
	f.hub.Run()
	other.gets("6.6.6.3")
	other.loses("6.6.6.2")
	if !one.has("6.6.6.10") {
		t.Error("a ban of another host is gone with the store")
	}

	t.Log("the store is a copy of before")
	f.hub.Kill()
	copied := f.hub.Copy()
	f.hub.Run()
	one.does("ban", "6.6.6.4")
	one.does("unban", "6.6.6.3")
	other.gets("6.6.6.4")
	other.loses("6.6.6.3")
	f.hub.Kill()
	f.hub.Restore(copied)
	one.does("ban", "6.6.6.5")
	f.hub.Run()
	other.gets("6.6.6.1", "6.6.6.4", "6.6.6.5")
	other.loses("6.6.6.3")

	t.Log("a host that comes when all others are there gets it all")
	f.join("beta_pbx1", "agree: 1\n", "").gets("6.6.6.1", "6.6.6.4", "6.6.6.5", "6.6.6.10")

	t.Log("a host that is revoked says nothing any more, and keeps what it has")
	f.hub.Revoke("acme_pbx1")
	one.until("it is refused", func() bool { return strings.Contains(one.process.logged(), "uthorization") })
	one.does("ban", "6.6.6.6")
	other.does("ban", "6.6.6.11")
	if other.has("6.6.6.6") || !one.has("6.6.6.10") || one.has("6.6.6.11") {
		t.Errorf("%v, %v", other.bans(), one.bans())
	}
	if stop() {
		t.Error("meanwhile, a ban was not in force")
	}
}

// TestFleetPartition: what is banned while a wire is cut, in both directions or in one, is banned on the
// other side once it is whole.
func TestFleetPartition(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	one := f.join("acme_pbx1", "agree: 1\n", "")
	other := f.join("zeta_pbx1", "agree: 1\n", "")
	one.does("ban", "6.6.6.1")
	other.gets("6.6.6.1")
	stop := other.watch("6.6.6.1")
	for i, c := range []struct {
		what  string
		drop  string
		until func() bool // it is whole
	}{
		{"a while", "both", nil},
		{"what the hub says is lost", "to", func() bool { return !other.connected() }},
		{"what it says is lost", "from", func() bool { return !other.connected() }},
	} {
		t.Log(c.what)
		heal := other.cut(c.drop)
		out, in := netip.AddrFrom4([4]byte{6, 6, 1, byte(i)}).String(), netip.AddrFrom4([4]byte{6, 6, 2, byte(i)}).String()
		one.does("ban", in)
		other.does("ban", out)
		if c.until != nil {
			other.until("the loss is noticed", c.until)
		}
		heal()
		other.gets(in)
		one.gets(out)
	}
	if stop() {
		t.Error("meanwhile, a ban was not in force")
	}
}
