package deb_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testpoll"
)

// TestFleet follows a fleet through its life, with the package on booted hosts and Debian's nats-server: it is
// set up; what one host bans is in force on the others as each one's policy says; parts of it are cut off,
// killed, lost, rebooted and upgraded; and all of it is removed.
//
// From "cut off" on, zeta is away until "back": some minutes, in which all else happens.
func TestFleet(t *testing.T) {
	t.Parallel()
	f := bootFleet(t)
	debians := f.hub.Must("cat", "/etc/nats-server.conf")
	files := f.hub.files()
	f.row("install", (*fleet).installed)
	f.row("join", (*fleet).joined)
	f.row("quorum", (*fleet).quorum)
	f.row("ban", (*fleet).banned)
	f.row("veto", (*fleet).veto)
	f.row("exempt", (*fleet).exempt)
	f.row("all are fine", (*fleet).fine)
	f.row("revoke", (*fleet).revoked)
	f.row("cut off", (*fleet).partition)
	f.row("restart", (*fleet).restarted)
	f.row("store", (*fleet).stores)
	f.row("reboot", (*fleet).rebooted)
	f.row("upgrade", (*fleet).upgraded)
	f.row("back", (*fleet).back)
	f.row("purge", func(f *fleet) { f.purged(debians, files) })
}

// installed: the package alone makes no fleet.
func (f *fleet) installed() {
	f.each(func(m *fleetHost) {
		m.apt("install", deb(older))
		if m != f.zeta { // it has the package's own configuration, whose list cannot be fetched
			m.local()
		}
		for _, unit := range []string{"voipbl-hub.service", "voipbl-fleet.service"} {
			if state := m.unit(unit, "ActiveState") + " " + m.unit(unit, "UnitFileState"); state != "inactive disabled" {
				m.t.Errorf("%s: %s is %s", m.name, unit, state)
			}
		}
		if out := m.voipbl(0, "fleet", "status"); !strings.Contains(out, "in no fleet") {
			m.t.Errorf("%s: without a fleet: %s", m.name, out)
		}
	}, f.all()...)
}

// local has the host use lists of its own alone.
func (m *fleetHost) local() {
	m.t.Helper()
	m.sh(`sed -i '/# A name of your choice/,/frozen_after: 10/d' /etc/voipbl/voipbl.yaml
echo 5.5.5.5 >/etc/voipbl/blocklist.d/mine
voipbl reload || [ $? -eq 3 ]`)
	m.awaitProtected("5.5.5.5")
}

// add has the hub make a join file for a host, which gets it.
func (m *fleetHost) add(more ...string) {
	m.t.Helper()
	file := "/root/" + m.name + ".join"
	m.fleet.hub.voipbl(0, append([]string{"fleet", "add", m.name, "-o", file}, more...)...)
	m.put("/root/join", m.fleet.hub.Must("cat", file))
}

// join takes the host into the fleet.
func (m *fleetHost) join() {
	m.t.Helper()
	if out := m.voipbl(0, "fleet", "join", "/root/join"); !strings.Contains(out, m.name+" is in the fleet, connected to tls://"+m.fleet.hub.addr()+":4222") {
		m.t.Errorf("join: %s", out)
	}
}

// joined: each verb does what it is to, and the second time nothing.
func (f *fleet) joined() {
	if out := f.hub.voipbl(0, "fleet", "init", f.hub.addr()); !strings.Contains(out, "the hub runs") {
		f.t.Errorf("init: %s", out)
	}
	if out := f.hub.voipbl(0, "fleet", "init"); !strings.Contains(out, "nothing to change") {
		f.t.Errorf("init again: %s", out)
	}
	for name, want := range map[string]string{
		"/etc/voipbl-fleet/fleet.json": "600 root root", "/etc/voipbl-fleet/keeper.json": "600 root root",
		"/etc/voipbl-fleet/tls.key": "640 root nats", "/var/lib/voipbl-hub": "700 nats nats",
	} {
		if is := strings.TrimSpace(f.hub.Must("stat", "-c", "%a %U %G", name)); is != want {
			f.t.Errorf("%s is %s, not %s", name, is, want)
		}
	}

	f.acme.put("/root/join", f.hub.sh("voipbl fleet add "+f.acme.name))
	if out, code := f.hub.Run("voipbl", "fleet", "add", f.acme.name); code != 1 || !strings.Contains(out, "--again") {
		f.t.Errorf("add again: %d: %s", code, out)
	}
	f.beta.add()
	f.beta.add() // a file can be asked for again
	f.zeta.add()
	f.zeta.cut(allPackets)
	if out := f.zeta.voipbl(3, "fleet", "join", "--wait", "30s", "/root/join"); !strings.Contains(strings.Join(strings.Fields(out), " "), "goes on trying") {
		f.t.Errorf("join without a way to the hub: %s", out)
	}
	f.zeta.heal()
	f.each(func(m *fleetHost) {
		m.join()
		if out := m.voipbl(0, "fleet", "join", "/root/join"); !strings.Contains(out, "nothing to change") {
			m.t.Errorf("%s: join again: %s", m.name, out)
		}
		m.connected()
		if is := strings.TrimSpace(m.Must("stat", "-c", "%a %U %G", "/etc/voipbl/fleet.creds")); is != "600 root root" {
			m.t.Errorf("%s: its key is %s", m.name, is)
		}
		status := "/proc/" + m.unit("voipbl-fleet.service", "MainPID")
		if user := strings.TrimSpace(m.Must("stat", "-c", "%U", status)); user != "voipbl-fleet" {
			m.t.Errorf("%s: what talks with the hub runs as %s", m.name, user)
		}
		if caps := m.sh("grep -E '^Cap(Prm|Bnd)' " + status + "/status"); strings.Count(caps, "0000000000000000\n") != 2 {
			m.t.Errorf("%s: it has rights:\n%s", m.name, caps)
		}
	}, f.hosts()...)
}

// quorum: without a word of whom to trust, two sites have to agree.
func (f *fleet) quorum() {
	f.acme.told("9.8.1.1")
	f.acme.told("9.8.1.2")
	f.beta.told("9.8.1.2", f.zeta)
	for _, m := range []*fleetHost{f.beta, f.zeta} {
		if m.has("9.8.1.1") {
			f.t.Errorf("%s: one site is enough", m.name)
		}
	}
	f.acme.voipbl(0, "unban", "9.8.1.2")
	f.zeta.loses("9.8.1.2")
	f.beta.voipbl(0, "unban", "9.8.1.2")
}

// banned: all trust each other. A ban on one is in force on the others until it is lifted, or its time is
// over.
func (f *fleet) banned() {
	f.each(func(m *fleetHost) { m.policy("acme, beta, zeta") }, f.hosts()...)
	f.beta.gets("9.8.1.1") // that acme has said before
	for i, m := range f.hosts() {
		m.told(fmt.Sprintf("9.8.2.%d", i), f.hosts()...)
	}
	f.acme.told("2a00:9::7", f.beta, f.zeta)
	if out := f.zeta.voipbl(0, "bans"); !strings.Contains(out, "fleet: acme_pbx1\n") {
		f.t.Errorf("it is not said who has banned: %s", out)
	}
	f.acme.voipbl(0, "unban", "9.8.2.0", "2a00:9::7")
	f.acme.voipbl(0, "ban", "--for", "40s", "9.8.2.9")
	f.each(func(m *fleetHost) { m.gets("9.8.2.9") }, f.beta, f.zeta)
	for _, m := range []*fleetHost{f.beta, f.zeta} {
		m.loses("9.8.2.0", "2a00:9::7")
	}
	for _, m := range f.hosts() {
		m.loses("9.8.2.9")
	}
	f.even(f.hosts()...)
}

// veto: whom an admin has let in here, the fleet does not ban here again.
func (f *fleet) veto() {
	f.acme.told("9.8.3.1", f.beta, f.zeta)
	f.beta.voipbl(0, "unban", "9.8.3.1")
	f.acme.voipbl(0, "unban", "9.8.3.1")
	f.zeta.loses("9.8.3.1")
	f.acme.told("9.8.3.1", f.zeta)
	f.acme.told("9.8.3.2", f.beta)
	if f.beta.has("9.8.3.1") {
		f.t.Error("what was lifted here is banned again")
	}
	f.acme.voipbl(0, "unban", "9.8.3.1", "9.8.3.2")
	f.even(f.hosts()...)
}

// exempt: an address that is exempt on a host reaches it, although the others ban it.
func (f *fleet) exempt() {
	f.zeta.voipbl(0, "allow", passerby)
	for _, m := range f.hosts() {
		m.until("it lets him in", func() bool { return m.lets(passerby) })
	}
	f.acme.told(passerby, f.beta)
	f.acme.told("9.8.4.1", f.zeta)
	if f.zeta.has(passerby) || !f.zeta.lets(passerby) {
		f.t.Error("who is exempt is banned")
	}
	if f.acme.lets(passerby) || f.beta.lets(passerby) {
		f.t.Error("who is banned is let in")
	}
	if out, code := f.acme.Run("voipbl", "ban", f.hub.addr()); code != 1 {
		f.t.Errorf("a host bans the hub: %d: %s", code, out)
	}
	f.acme.voipbl(0, "unban", passerby, "9.8.4.1")
	f.beta.until("it lets him in again", func() bool { return f.beta.lets(passerby) })
}

// roll is how all hosts are, as the hub sees it.
func (f *fleet) roll() (states map[string]string, code int) {
	f.t.Helper()
	out, code := f.hub.Run("voipbl", "fleet", "status", "--json")
	var s struct {
		Hub struct {
			Hosts []struct{ Name, State string }
		}
	}
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		f.t.Fatalf("status on the hub: %d: %v: %s", code, err, out)
	}
	states = make(map[string]string)
	for _, h := range s.Hub.Hosts {
		states[h.Name] = h.State
	}
	return states, code
}

// becomes waits until the hub says that a host is in a state.
func (f *fleet) becomes(m *fleetHost, within time.Duration, state string) {
	f.t.Helper()
	var is string
	if !testpoll.Until(within, func() bool {
		states, _ := f.roll()
		is = states[m.name]
		return is == state
	}) {
		out, _ := f.hub.Run("voipbl", "fleet", "status")
		f.t.Fatalf("%s is %q, not %q\n%s\n%s", m.name, is, state, out, f.hub.logged())
	}
}

// beatWithin is how long the hub may take to learn how a host is: it says so once a minute.
const beatWithin = 5 * time.Minute

// fine: on the hub, it is said which host needs a look, and then that none does.
func (f *fleet) fine() {
	f.becomes(f.zeta, beatWithin, "stale") // its list has never come
	if _, code := f.roll(); code != 3 {
		f.t.Errorf("exit code %d with a host that needs a look", code)
	}
	f.zeta.local()
	for _, m := range f.hosts() {
		f.becomes(m, beatWithin, "fine")
	}
	if out := f.hub.voipbl(0, "fleet", "status"); !strings.Contains(out, "3 of 3 hosts connected") || !strings.Contains(out, "0 of 3 need a look") {
		f.t.Errorf("all are fine, and the hub says: %s", out)
	}
}

// refused waits until the hub admits the host no more.
func (m *fleetHost) refused() {
	m.t.Helper()
	m.until("it is not admitted", func() bool {
		out, code := m.Run("voipbl", "fleet", "status")
		return code == 1 && strings.Contains(out, "does not admit")
	})
}

// revoked: a host is cut off, and its bans end at the others; with another key it is there again. A second
// key for a host ends the first one.
func (f *fleet) revoked() {
	f.zeta.told("9.8.5.1", f.acme, f.beta)
	if out := f.hub.voipbl(0, "fleet", "revoke", f.zeta.name); !strings.Contains(out, f.zeta.name+" is cut off, and its bans are taken out") {
		f.t.Errorf("revoke: %s", out)
	}
	f.acme.loses("9.8.5.1")
	f.beta.loses("9.8.5.1")
	f.hub.voipbl(0, "fleet", "revoke", f.zeta.name)
	f.zeta.refused()
	f.zeta.told("9.8.5.2")
	f.bothWays(6)
	if f.acme.has("9.8.5.2") || f.zeta.has("9.8.6.1") {
		f.t.Error("a revoked host is in the fleet")
	}
	if out := f.zeta.voipbl(3, "fleet", "join", "--wait", "2s", "/root/join"); !strings.Contains(out, "does not admit") {
		f.t.Errorf("join with a revoked key: %s", out)
	}

	f.zeta.add()
	f.beta.add("--again")
	f.beta.refused()
	f.each((*fleetHost).join, f.beta, f.zeta)
	f.acme.gets("9.8.5.1", "9.8.5.2")
	f.bothWays(7)
	f.even(f.hosts()...)
}

// partition cuts beta off for eight seconds, and then each host in another way: of acme's packets, and of
// those to beta, none arrives, until both have noticed. zeta is cut off both ways until it is healed.
func (f *fleet) partition() {
	f.beta.cut(allPackets)
	f.acme.told("9.8.8.1")
	f.beta.told("9.8.8.2")
	const long = 8 * time.Second
	if testpoll.For(long, func() bool { return !f.beta.has("9.8.7.1", "9.8.7.2") || f.beta.has("9.8.8.1") }) {
		f.t.Error("while it was cut off, a ban was not in force, or one has come")
	}
	f.beta.heal()
	f.beta.gets("9.8.8.1")
	f.acme.gets("9.8.8.2")
	f.even(f.hosts()...)

	f.zeta.cut(allPackets)
	f.zeta.told("9.8.8.3")
	f.acme.cut(packetsOf)
	f.beta.cut(packetsTo)
	f.acme.told("9.8.8.4")
	f.beta.told("9.8.8.5")
	f.acme.away()
	f.beta.away()
	f.acme.heal()
	f.beta.heal()
	f.beta.gets("9.8.8.4")
	f.acme.gets("9.8.8.5")
	f.even(f.acme, f.beta)
}

// restarted: each part is restarted, and killed.
func (f *fleet) restarted() {
	n := 9
	for _, part := range []struct {
		at   *fleetHost
		unit string
	}{{f.hub, "nats-server"}, {f.hub, "voipbl-hub"}, {f.beta, "voipbl-fleet"}, {f.beta, "voipbl"}} {
		for _, how := range [][]string{{"restart"}, {"kill", "--signal=KILL"}} {
			n++
			f.t.Logf("systemctl %s %s", strings.Join(how, " "), part.unit)
			process := part.at.unit(part.unit, "MainPID")
			part.at.Must(append(append([]string{"systemctl"}, how...), part.unit)...)
			f.bothWays(n)
			part.at.until(part.unit+" runs again", func() bool {
				return part.at.unit(part.unit, "MainPID") != process && part.at.unit(part.unit, "ActiveState") == "active"
			})
			f.beta.connected()
		}
	}
	f.even(f.acme, f.beta)
}

// stores: the hub loses its store, and gets one of before. zeta, which is away, was heard before, too.
func (f *fleet) stores() {
	const server, store = "nats-server", "/var/lib/voipbl-hub"
	f.hub.sh("systemctl stop " + server + " && cp -a " + store + " /root/backup && systemctl start " + server)
	f.acme.told("9.8.30.1", f.beta)
	f.acme.voipbl(0, "unban", "9.8.8.1") // which the copy has
	f.beta.loses("9.8.8.1")

	f.t.Log("it is lost")
	f.hub.sh("systemctl stop " + server + " && rm -r " + store + "/*")
	f.acme.told("9.8.30.2")
	f.acme.voipbl(0, "unban", "9.8.30.1")
	f.hub.Must("systemctl", "start", server)
	f.beta.gets("9.8.30.2")
	f.beta.loses("9.8.30.1")
	f.bothWays(31)
	f.even(f.acme, f.beta)
	f.becomes(f.zeta, beatWithin, "never-seen")

	f.t.Log("it is an older one")
	f.hub.sh("systemctl stop " + server + " && rm -r " + store + " && cp -a /root/backup " + store)
	f.acme.told("9.8.32.2")
	f.hub.Must("systemctl", "start", server)
	f.beta.gets("9.8.32.2")
	f.bothWays(33)
	f.beta.loses("9.8.8.1")
	if !f.beta.has("9.8.30.2") {
		f.t.Error("what the older store has not is not in force")
	}
	f.even(f.acme, f.beta)
}

// rebooted: the hub and a host boot. The host has the bans of others before it reaches anybody.
func (f *fleet) rebooted() {
	f.acme.told("9.8.40.1", f.beta)
	f.each(func(m *fleetHost) { m.Reboot() }, f.beta, f.hub)
	f.acme.told("9.8.40.2")
	if !f.beta.has("9.8.40.1") {
		f.t.Error("a ban of another host is not in force after a boot")
	}
	f.hub.plug()
	f.beta.plug()
	f.beta.gets("9.8.40.2")
	f.bothWays(41)
	f.even(f.acme, f.beta)
	f.beta.connected()
}

// initAfter is what an upgrade says on a hub whose server needs something else than before.
const initAfter = `"voipbl fleet init"`

// upgraded: a host has another version than the others and the hub, then the hub as well.
func (f *fleet) upgraded() {
	process := f.beta.unit("voipbl-fleet", "MainPID")
	f.beta.apt("install", deb(newer))
	if f.beta.unit("voipbl-fleet", "MainPID") == process {
		f.t.Error("after an upgrade, the former program goes on")
	}
	f.bothWays(50)
	f.beta.connected()
	f.hub.until("it says that one has another version", func() bool {
		states, _ := f.roll()
		return states[f.beta.name] == "other-version" || states[f.acme.name] == "other-version" // if zeta is silent already, there are as many of each
	})
	if said := f.hub.apt("install", deb(newer)); strings.Contains(said, initAfter) {
		f.t.Errorf("nothing is left to be done, and an upgrade says: %s", said)
	}
	f.bothWays(51)

	// As a version wrote it that had other settings.
	f.hub.sh("sed -i 's/^ping_max: .*/ping_max: 5/' /etc/nats-server.conf && systemctl kill --signal=HUP nats-server")
	if said := f.hub.apt("install", deb(older)); !strings.Contains(said, initAfter) {
		f.t.Errorf("the server is set up for another version, and an upgrade says: %s", said)
	}
	f.bothWays(52)
	if out := f.hub.voipbl(0, "fleet", "init"); !strings.Contains(out, "changed: /etc/nats-server.conf") {
		f.t.Errorf("init after an upgrade: %s", out)
	}
	f.bothWays(53)
}

// back: the hub has seen that zeta was silent. Once it is back, all have the same bans.
func (f *fleet) back() {
	f.becomes(f.zeta, 5*time.Minute, "silent")
	out, code := f.hub.Run("voipbl", "fleet", "status")
	if code != 3 || !strings.Contains(out, "2 of 3 hosts connected") || !strings.Contains(out, "it is not connected; last: protected") {
		f.t.Errorf("a host is silent, and the hub says: %d: %s", code, out)
	}
	if !f.zeta.has("9.8.8.1", "9.8.8.2", "9.8.8.3") {
		f.t.Error("while it was cut off, bans have ended")
	}
	f.zeta.heal()
	f.zeta.gets("9.8.53.1", "9.8.53.2")
	f.zeta.loses("9.8.8.1") // that acme has lifted since
	f.acme.gets("9.8.8.3")
	f.even(f.hosts()...)
	f.zeta.connected()
	f.becomes(f.zeta, beatWithin, "fine")
	for _, m := range f.all() {
		if bad := m.sh("journalctl --no-pager --boot -u nats-server -u voipbl-hub -u voipbl-fleet -u voipbl | grep -iE 'denied|not permitted|read-only|panic' || true"); bad != "" {
			f.t.Errorf("%s: the journal has\n%s", m.name, bad)
		}
	}
}

// purged: zeta leaves the fleet before, the others are in it. Nothing is left on any of them.
func (f *fleet) purged(debians, files string) {
	f.zeta.told("9.8.60.1", f.acme)
	for range 2 {
		if out := f.zeta.voipbl(0, "fleet", "leave"); !strings.Contains(out, "this host is in no fleet") {
			f.t.Errorf("leave: %s", out)
		}
	}
	f.acme.loses("9.8.60.1")
	if state := f.zeta.unit("voipbl-fleet", "ActiveState") + " " + f.zeta.unit("voipbl-fleet", "UnitFileState"); state != "inactive disabled" {
		f.t.Errorf("it has left, and what talks with the hub is %s", state)
	}
	f.each(func(m *fleetHost) {
		m.apt("purge", "voipbl")
		m.noTrace()
		if left := m.files(); left != files {
			m.t.Errorf("%s: purged, and there is\n%s", m.name, left)
		}
		if left := m.sh("getent passwd voipbl-fleet; getent group voipbl-fleet || true"); left != "" {
			m.t.Errorf("%s: purged, and there is\n%s", m.name, left)
		}
	}, f.all()...)
	if now := f.hub.Must("cat", "/etc/nats-server.conf"); now != debians {
		f.t.Errorf("the server's configuration is\n%s", now)
	}
	f.hub.until("the server listens as Debian has it", func() bool { return strings.Contains(f.hub.Must("ss", "-ltn"), "127.0.0.1:4222") })
}
