package hub

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/voipbl/voipbl/fleet/keys"
)

// TestRevoked: a host whose credentials are revoked is cut off and told so, and no other.
func TestRevoked(t *testing.T) {
	h := startKeptHub(t)
	creds := h.admit("acme_pbx1")
	a, b := h.connect(creds, "boot 1"), h.join("zeta_pbx1")
	a.awaitSynced(1)
	b.awaitSynced(1)
	if n := len(h.op.Revoke("acme_pbx1", time.Now())); n != 1 {
		t.Fatalf("%d were revoked", n)
	}
	h.Reload(h.config(h.Place))
	a.awaitRefused()
	a.end()
	h.connect(creds, "boot 1").awaitRefused()
	b.says("45.9.9.9")
	b.awaitSaid()
	b.look(func() {
		if len(b.lost) > 0 {
			t.Errorf("%+v", b.lost)
		}
	})
}

// awaitRefused waits until the host is told that the hub does not admit it.
func (o *host) awaitRefused() {
	o.t.Helper()
	until(o.t, "it is refused", func() (is bool) {
		o.look(func() { is = len(o.lost) > 0 && o.lost[len(o.lost)-1].Refused })
		return is
	})
	if h := o.Health(); !h.Refused || h.Error == "" || h.Hub != "" || h.Synced {
		o.t.Errorf("%+v", h)
	}
}

// expiring returns credentials that end at a time.
func (h *theHub) expiring(creds []byte, at time.Time) []byte {
	h.t.Helper()
	c, err := keys.ParseCreds(creds)
	h.must(err)
	claims, err := jwt.DecodeUserClaims(c.Token)
	h.must(err)
	claims.Expires = at.Unix()
	signer, err := nkeys.FromSeed([]byte(h.op.Signer))
	h.must(err)
	c.Token, err = claims.Encode(signer)
	h.must(err)
	return c.Text()
}

// TestExpired: credentials that have ended, and some that end while the host is connected.
func TestExpired(t *testing.T) {
	t.Parallel()
	h := startKeptHub(t)
	creds := h.admit("acme_pbx1")
	h.connect(h.expiring(creds, time.Now().Add(-time.Hour)), "boot 1").awaitRefused()
	soon := time.Now().Add(5 * time.Second)
	b := h.connect(h.expiring(creds, soon), "boot 1")
	if got := b.Health().Ends.Unix(); got != soon.Unix() {
		t.Errorf("they end %d s later than they do", got-soon.Unix())
	}
	b.awaitRefused()
}

// TestNotAHost: credentials that no host can have.
func TestNotAHost(t *testing.T) {
	op, err := keys.New([]string{"127.0.0.1:4222"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	keeper, err := op.KeeperCreds()
	if err != nil {
		t.Fatal(err)
	}
	for _, creds := range [][]byte{nil, []byte("x"), keeper.Text()} {
		if _, err := New(Options{Creds: creds}); err == nil {
			t.Errorf("%.20q is accepted", creds)
		}
	}
}

// listen accepts connections, and gives them to a function.
func listen(t *testing.T, serve func(net.Conn)) (url string, accepted <-chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	came := make(chan struct{}, 100)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			came <- struct{}{}
			go func() {
				defer conn.Close()
				serve(conn)
				io.Copy(io.Discard, conn) // until the other side ends it
			}()
		}
	}()
	return "nats://" + l.Addr().String(), came
}

// TestSilent: hubs that accept connections and never answer. Whoever ends the connection waits for none.
func TestSilent(t *testing.T) {
	op, err := keys.New([]string{"127.0.0.1:4222"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c, err := op.Add("acme_pbx1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, serve := range map[string]func(net.Conn){
		"nothing": func(net.Conn) {},
		"greeting": func(conn net.Conn) {
			io.WriteString(conn, `INFO {"server_id":"x","version":"2.9.10","proto":1,"max_payload":65536,"jetstream":true,"headers":true}`+"\r\n")
		},
		"connected": func(conn net.Conn) {
			io.WriteString(conn, `INFO {"server_id":"x","version":"2.9.10","proto":1,"max_payload":65536,"jetstream":true,"headers":true,"nonce":"abc"}`+"\r\n")
			awaitPing(conn)
			io.WriteString(conn, "PONG\r\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, accepted := listen(t, serve)
			o := connectTo(t, []string{url}, c.Text(), "boot 1")
			until(t, "it is told", func() (is bool) { o.look(func() { is = len(o.lost) > 0 }); return is })
			o.look(func() {
				if o.lost[0].Refused {
					t.Error("refused")
				}
			})
			<-accepted
			select {
			case <-accepted: // it tries again
			case <-time.After(limit):
				t.Error("it does not try again")
			}
			o.says("45.9.9.9") // nothing of this host waits for the hub
			o.Health()
			before := time.Now()
			o.end()
			if took := time.Since(before); took > admitIn/2 {
				t.Errorf("it has ended after %s", took)
			}
		})
	}
}

func awaitPing(conn net.Conn) {
	var got strings.Builder
	b := make([]byte, 4096)
	for !strings.Contains(got.String(), "PING\r\n") {
		n, err := conn.Read(b)
		if err != nil {
			return
		}
		got.Write(b[:n])
	}
}

// TestSeveralHubs: one that is not there and one that does not answer keep nobody from a third.
func TestSeveralHubs(t *testing.T) {
	t.Parallel()
	h := startKeptHub(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	h.must(err)
	closed.Close()
	silent, _ := listen(t, func(net.Conn) {})
	o := connectTo(t, append([]string{"nats://" + closed.Addr().String(), silent}, h.op.URLs()...), h.admit("acme_pbx1"), "boot 1")
	o.awaitSynced(1)
	if got := o.Health().Hub; got != h.op.URLs()[0] {
		t.Error(got)
	}
}

// TestOtherAuthority: a hub with another certificate than the credentials say is not spoken with.
func TestOtherAuthority(t *testing.T) {
	h := startKeptHub(t)
	other, err := keys.New([]string{"127.0.0.1:4222"}, time.Now())
	h.must(err)
	c, err := keys.ParseCreds(h.admit("acme_pbx1"))
	h.must(err)
	c.CA = other.TLS.Authority
	for _, ca := range []string{other.TLS.Authority, ""} { // "": this machine's authorities
		c.CA = ca
		o := h.connect(c.Text(), "boot 1")
		until(t, "it is told", func() (is bool) { o.look(func() { is = len(o.lost) > 0 }); return is })
		if e := o.Health().Error; !strings.Contains(e, "x509") {
			t.Error(e)
		}
	}
}
