package member

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/fleet/link"
)

// hasPaper reports whether the agent was given a document last.
func (a *agent) hasPaper(text string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.papers) > 0 && string(a.papers[len(a.papers)-1]) == text
}

// TestDocument: the agent gets the operator's document as the hub has it, whatever is in it, once more after it
// was away, and none that it does not take.
func TestDocument(t *testing.T) {
	h := startHub(t)
	one, other := newAgent(h, "acme_pbx1"), newAgent(h, "zeta_pbx1")
	one.settings.TakesDocument = true
	h.Publish([]byte("the first"))
	one.run(t)
	other.run(t)
	eventually(t, "the first", func() bool { return one.hasPaper("the first") })
	h.Publish([]byte{0, 255, '{'})
	eventually(t, "the second", func() bool { return one.hasPaper("\x00\xff{") })

	one.set(func() { one.away = true })
	h.Publish([]byte("the third"))
	one.set(func() { one.away, one.undone = false, "the disk is full" })
	one.set(func() { one.undone = "" })
	eventually(t, "the third, once the agent can take it", func() bool { return one.hasPaper("the third") })
	one.set(func() { one.papers, one.away, one.missed = nil, true, 0 })
	eventually(t, "the process notices", one.hasMissed)
	one.set(func() { one.away = false })
	eventually(t, "the third again, for an agent that has begun anew", func() bool { return one.hasPaper("the third") })

	if len(other.papers) > 0 {
		t.Errorf("%q", other.papers)
	}
}

// TestRevoked: what a host says whom the operator has revoked counts no more, nor what it has said before, although
// the hub still admits it.
func TestRevoked(t *testing.T) {
	h := startHub(t)
	one, two, other := newAgent(h, "acme_pbx1"), newAgent(h, "acme_pbx2"), newAgent(h, "zeta_pbx1")
	one.bans(addr(1), addr(2))
	two.bans(addr(2), addr(3))
	one.run(t)
	two.run(t)
	other.run(t)
	eventually(t, "three bans", func() bool { return other.holds(addr(1), addr(2), addr(3)) })
	other.set(func() { other.settings.Revoked = []string{"acme_pbx1"} })
	eventually(t, "those that a host says who is believed", func() bool { return other.holds(addr(2), addr(3)) })
	one.bans(addr(4))
	two.bans(addr(5))
	eventually(t, "no other", func() bool { return other.holds(addr(2), addr(3), addr(5)) })
	other.set(func() { other.settings.Revoked = nil })
	eventually(t, "its word counts again", func() bool { return other.holds(addr(1), addr(2), addr(3), addr(4), addr(5)) })
}

// TestSameSession: when whom to believe changes, as by a new document of the operator's for all hosts at once,
// no host connects anew or reads again what the hub has; and what it has not counted before, it knows.
func TestSameSession(t *testing.T) {
	h := startHub(t)
	one, two, other := newAgent(h, "acme_pbx1"), newAgent(h, "beta_pbx1"), newAgent(h, "zeta_pbx1")
	other.settings.Agree = 2
	one.bans(addr(1), addr(2))
	two.bans(addr(2), addr(3))
	one.run(t)
	two.run(t)
	r := other.run(t)
	eventually(t, "what two say", func() bool { return other.holds(addr(2)) && other.said().Synced })
	began := other.said()
	step := func(what string, change func(), want ...int) {
		t.Helper()
		other.set(change)
		eventually(t, what, func() bool {
			var addrs []netip.Addr
			for _, n := range want {
				addrs = append(addrs, addr(n))
			}
			return other.holds(addrs...)
		})
	}
	s := &other.settings
	step("one is trusted", func() { s.Trust = []string{"acme"} }, 1, 2)
	step("and revoked", func() { s.Revoked = []string{"acme_pbx1"} })
	step("another is trusted", func() { s.Trust = []string{"beta"} }, 2, 3)
	step("none is revoked", func() { s.Revoked = nil }, 2, 3)
	step("both are trusted", func() { s.Trust = []string{"acme", "beta"} }, 1, 2, 3)
	step("one agrees", func() { s.Trust, s.Agree = nil, 1 }, 1, 2, 3)
	step("none is proved", func() { s.Proved = true })
	step("no proof is asked for", func() { s.Proved = false }, 1, 2, 3)
	step("few count", func() { s.Most = 0 })
	step("many count", func() { s.Most = 20_000 }, 1, 2, 3)
	step("the agent takes none any more, and has taken them out", func() { s.Accept = false; clear(other.held) })
	eventually(t, "the process knows", func() bool { return strings.Contains(r.log.String(), "accept=false") })
	step("it takes them again", func() { s.Accept = true }, 1, 2, 3)

	other.bans(addr(7))
	eventually(t, "its own ban is said", func() bool { return one.has(addr(7)) })
	other.set(func() { s.Publish, other.own = false, link.Own{Serial: other.own.Serial} })
	eventually(t, "its own ban is said no more", func() bool { return !one.has(addr(7)) })
	other.set(func() { s.TakesDocument = true })
	h.Publish([]byte("the first"))
	eventually(t, "a document is wanted now", func() bool { return other.hasPaper("the first") })

	if now := other.said(); !now.Since.Equal(began.Since) || !now.Connected.Equal(began.Connected) {
		t.Errorf("it began at %s and %s, and before at %s and %s", now.Since, now.Connected, began.Since, began.Connected)
	}
	if n := strings.Count(r.log.String(), "all is read that the hub has"); n != 1 {
		t.Errorf("it has read all %d times", n)
	}
	other.set(func() { s.Instance = "another" })
	eventually(t, "what the connection is made of makes another one", func() bool { return other.said().Since.After(began.Since) })
}

// TestSameConnection: of each setting it is known whether it needs another connection. A new one is to be
// added to one of the two.
func TestSameConnection(t *testing.T) {
	connection := []string{"Hubs", "Creds", "Error", "Instance"}
	session := []string{"Publish", "Accept", "Trust", "Agree", "Proved", "Revoked", "Longest", "PerHost", "Most", "TakesDocument"}
	fields := reflect.TypeFor[link.Settings]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		var other link.Settings
		switch f := reflect.ValueOf(&other).Elem().Field(i); f.Kind() {
		case reflect.String:
			f.SetString("x")
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Slice:
			f.Set(reflect.ValueOf([]string{"x"}))
		default:
			f.SetInt(1)
		}
		if !slices.Contains(slices.Concat(connection, session), name) {
			t.Errorf("%s: is it one of the connection?", name)
		}
		if got, want := sameConnection(link.Settings{}, other), !slices.Contains(connection, name); got != want {
			t.Errorf("%s: the same connection: %t", name, got)
		}
	}
}
