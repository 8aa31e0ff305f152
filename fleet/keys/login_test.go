package keys_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/internal/testnats"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testpoll"
)

// TestLogin: only those are admitted to whom the operator has given a credential, with their own key.
func TestLogin(t *testing.T) { testLogin(t, testnats.Installed(t)) }

func testLogin(t *testing.T, program testnats.Program) {
	t.Helper()
	testns.Enter(t)
	h := startHub(t, program)
	creds, err := h.op.Add("acme_pbx1", time.Now())
	h.must(err)
	other, err := h.op.Add("zeta_pbx1", time.Now())
	h.must(err)
	stranger := newOperator(t, time.Now(), h.op.Hubs...)
	strange, err := stranger.Add("acme_pbx1", time.Now())
	h.must(err)
	strange.CA = creds.CA
	members, err := h.op.HostsAccount()
	h.must(err)
	// forge is a credential with the claims of a host, but for a change.
	forge := func(signer string, change func(*jwt.UserClaims)) keys.Creds {
		t.Helper()
		return h.signed("acme_pbx1", signer, func(claims *jwt.UserClaims) {
			claims.IssuerAccount = members
			claims.SetScoped(true)
			change(claims)
		})
	}
	anAccount, err := nkeys.CreateAccount()
	h.must(err)
	anySeed, err := anAccount.Seed()
	h.must(err)
	for _, row := range []struct {
		name  string
		creds keys.Creds
		want  bool
	}{
		{"a host", creds, true},
		{"a host, by a credential that was read from its file", parsed(t, creds), true},
		{"a host of another operator", strange, false},
		{"another's token with one's own key", keys.Creds{Token: other.Token, Seed: creds.Seed, CA: creds.CA, Name: other.Name}, false},
		{"signed as hosts are", forge(h.op.Signer, func(*jwt.UserClaims) {}), true},
		{"signed by some account", forge(string(anySeed), func(*jwt.UserClaims) {}), false},
		{"signed by the account of the streams, for that of the hosts", forge(h.op.Streams.Key, func(*jwt.UserClaims) {}), false},
		{"over", forge(h.op.Signer, func(c *jwt.UserClaims) { c.Expires = time.Now().Add(-time.Minute).Unix() }), false},
		{"not yet", forge(h.op.Signer, func(c *jwt.UserClaims) { c.NotBefore = time.Now().Add(time.Hour).Unix() }), false},
		{"from elsewhere", forge(h.op.Signer, func(c *jwt.UserClaims) { c.Src = jwt.CIDRList{"192.0.2.0/24"} }), false},
		{"with rights of its own, by the key for hosts", forge(h.op.Signer, func(c *jwt.UserClaims) {
			c.UserPermissionLimits = jwt.UserPermissionLimits{Limits: jwt.Limits{NatsLimits: jwt.NatsLimits{Subs: -1, Data: -1, Payload: -1}}}
			c.Pub.Allow.Add(">")
		}), false},
	} {
		u, err := h.tryLogin(row.creds)
		if admitted := err == nil; admitted != row.want {
			t.Errorf("%s: admitted %v (%v), want %v", row.name, admitted, err, row.want)
		}
		if u != nil {
			u.Conn.Close()
		}
	}
	// Nobody is admitted without TLS, or believes a server with another authority.
	plain := h.options(creds)
	plain.Secure, plain.TLSConfig, plain.Servers = false, nil, []string{h.URL()}
	if nc, err := plain.Connect(); err == nil {
		nc.Close()
		t.Error("connected without knowing the authority")
	}
	creds.CA = stranger.TLS.Authority
	if u, err := h.tryLogin(creds); err == nil {
		u.Conn.Close()
		t.Error("connected with a server of another authority")
	}
	if nc, err := nats.Connect("tls://"+h.Address(), nats.Secure(h.options(other).TLSConfig)); err == nil {
		nc.Close()
		t.Error("admitted without a credential")
	}
}

func parsed(t *testing.T, c keys.Creds) keys.Creds {
	t.Helper()
	got, err := keys.ParseCreds(c.Text())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestRevoke: a revoked host is cut off at once, and for good: also when the server is started or
// told again. Others stay connected, and a host that was added anew is admitted.
func TestRevoke(t *testing.T) { testRevoke(t, testnats.Installed(t)) }

func testRevoke(t *testing.T, program testnats.Program) {
	t.Helper()
	testns.Enter(t)
	h := startHub(t, program)
	bad, good := h.add("acme_pbx1"), h.add("zeta_pbx1")
	again := h.add("acme_pbx1") // the same host, before the revocation
	refused := func(u *user, when string) {
		t.Helper()
		if u, err := h.tryLogin(u.creds); err == nil {
			u.Conn.Close()
			t.Errorf("admitted %s", when)
		}
	}
	gone := h.op.Revoke("acme_pbx1", time.Now(), again.creds.Key)
	if fmt.Sprint(gone) != fmt.Sprint([]string{bad.creds.Key}) {
		t.Fatalf("revoked %v, want that of %s", gone, bad.creds.Key)
	}
	begin := time.Now()
	h.Reload(h.config(h.Place))
	if !testpoll.Until(answerLimit, bad.Conn.IsClosed) {
		t.Fatal("the revoked host is still connected")
	}
	t.Logf("cut off %v after the server was told", time.Since(begin).Round(time.Millisecond))
	refused(bad, "after it was revoked")
	if good.Conn.IsClosed() || again.Conn.IsClosed() {
		t.Error("others were cut off, too")
	}
	h.Reload(h.config(h.Place))
	refused(bad, "after the same was told again")
	h.Restart()
	refused(bad, "after a restart")
	h.Reload(h.config(h.Place))
	refused(bad, "after the server was told again after a restart")

	// One revocation adds to another, and a host comes back with another key only.
	h.op.Revoke("zeta_pbx1", time.Now())
	fresh, err := h.op.Add("zeta_pbx1", time.Now())
	h.must(err)
	h.Reload(h.config(h.Place))
	refused(bad, "after another was revoked")
	refused(good, "after it was revoked")
	for _, c := range []keys.Creds{again.creds, fresh} {
		u, err := h.tryLogin(c)
		if err != nil {
			t.Errorf("%s with its other key: %v", c.Name, err)
			continue
		}
		u.ask(keys.APIPrefix+".STREAM.INFO."+keys.Stream, nil, nil)
	}
	// The server knows no file but its configuration: a store that is lost takes no revocation with it.
	h.Stop()
	h.must(os.RemoveAll(h.Store))
	h.Run()
	refused(bad, "after the store was lost")

	// A credential that was signed while the clock was ahead is revoked as well.
	late, err := h.op.Add("acme_pbx9", time.Now())
	h.must(err)
	h.op.Revoke("acme_pbx9", time.Now().Add(-24*time.Hour))
	h.Reload(h.config(h.Place))
	if u, err := h.tryLogin(late); err == nil {
		u.Conn.Close()
		t.Error("admitted, though revoked: the operator's clock was set back")
	}
}

// TestSlotsOfAll: the subjects in the account are all that hosts may publish at.
func TestSlotsOfAll(t *testing.T) { testSlotsOfAll(t, testnats.Installed(t)) }

func testSlotsOfAll(t *testing.T, program testnats.Program) {
	t.Helper()
	testns.Enter(t)
	s := newSite(t, program, nil)
	a := s.add("acme_pbx1")
	for slot := range fleet.Slots {
		s.say(a, fleet.Subject("acme_pbx1", slot), "{}")
	}
	if found := s.harm(); len(found) > 0 {
		t.Error(found)
	}
}

// TestServerEnded: what a host does that ends the server takes nothing from the stream, and a revocation
// ends it. nats-server 2.9.10 dies of it, 2.10.27 does not.
func TestServerEnded(t *testing.T) { testServerEnded(t, testnats.Installed(t)) }

func testServerEnded(t *testing.T, program testnats.Program) {
	t.Helper()
	testns.Enter(t)
	s := newSite(t, program, nil)
	a := s.attack()
	for range 10 {
		a.request("STREAM.INFO."+keys.Stream, nil, keys.Inbox(victimName)+".>")
		a.done()
	}
	s.Kill() // in case that it runs
	s.op.Revoke(fleet.Name(a.name), time.Now())
	s.SetConfig(s.config(s.Place))
	s.Run()
	if u, err := s.tryLogin(a.creds); err == nil {
		u.Conn.Close()
		t.Error("admitted after it was revoked")
	}
	s.root = s.almighty(s.op.Streams.Key)
	for subject, want := range s.expected {
		if got := s.last(subject); got != want {
			t.Errorf("%s has %q instead of %q", subject, got, want)
		}
	}
}
