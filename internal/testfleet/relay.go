package testfleet

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"

	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/internal/testnats"
)

// StartForRelays is [Start], of a hub that also lets relays connect. Both are of the same program.
func StartForRelays(t testing.TB, program testnats.Program, addr netip.Addr) *Hub {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &Hub{t: t, addr: addr, program: program, relays: l.Addr().(*net.TCPAddr).Port}
	l.Close()
	h.Server = asInItsUnit(program).Start(t, h.configuration)
	h.keep()
	return h
}

// Relay is the server between the hub and the hosts of a site: see [keys.Relay].
type Relay struct {
	*testnats.Server
	Creds keys.Creds // by which the hub admits it

	hub    *Hub
	site   string
	creds  func(keys.Creds) keys.Creds
	untold bool // the hub has to be started anew to know that it has relays
}

// Relay starts the relay of a site, for the hosts that the site has by now. The hub is told that it has relays.
func (h *Hub) Relay(site string) *Relay {
	h.t.Helper()
	return h.relay(site, func(c keys.Creds) keys.Creds { return c })
}

// RelayForAll starts one that the hub admits without limits: a credential that names thousands of hosts is too
// long.
func (h *Hub) RelayForAll(site string) *Relay {
	h.t.Helper()
	h.Creds(site + "_relayed")
	h.forAll = true
	return h.relay(site, func(keys.Creds) keys.Creds { return h.almighty() })
}

func (h *Hub) relay(site string, creds func(keys.Creds) keys.Creds) *Relay {
	h.t.Helper()
	first := len(h.Operator.Relays) == 0
	r := &Relay{hub: h, site: site, creds: creds, untold: first}
	h.Operator.RelayPort = h.relays
	r.Server = asInItsUnit(h.program).Start(h.t, r.configuration)
	if first {
		h.SetConfig(h.configuration(h.Place))
		h.Stop()
		h.Run()
		r.untold = false
	}
	return r
}

// URL is what hosts reach the relay by.
func (r *Relay) URL() string { return "tls://" + r.Address() }

// Refresh gives the relay the files that it is to have by now, and tells the hub.
func (r *Relay) Refresh() {
	r.hub.t.Helper()
	r.SetConfig(r.configuration(r.Place))
	r.Stop()
	r.Run()
}

// configuration is that of the relay, of which the hub is told. It writes the file that it names.
func (r *Relay) configuration(at testnats.Place) string {
	r.hub.t.Helper()
	o := r.hub.Operator
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(at.Port))
	relay, err := o.SetRelay(r.site, []string{address}, time.Now())
	r.hub.must(err)
	place := keys.RelayPlace{Listen: address, Secrets: filepath.Join(at.Dir, "relay.pem")}
	config, secrets, err := o.RelayServer(relay, place)
	r.hub.must(err)
	if !r.untold {
		r.hub.Reload(r.hub.configuration(r.hub.Place))
	}
	own, err := o.RelayCreds(relay)
	r.hub.must(err)
	r.Creds = r.creds(own)
	secrets = strings.Replace(secrets, bare(own), bare(r.Creds), 1)
	r.hub.must(os.WriteFile(place.Secrets, []byte(secrets), 0o600))
	return config
}

// bare is the text of a credential without the authority.
func bare(c keys.Creds) string {
	c.CA = ""
	return string(c.Text())
}

// almighty is a user who may do everything in the hosts' account, such as whoever has broken into a relay may do
// there.
func (h *Hub) almighty() keys.Creds {
	h.t.Helper()
	return h.user("root", nil)
}

// user makes a user of the hosts' account.
func (h *Hub) user(name string, change func(*jwt.UserClaims)) keys.Creds {
	h.t.Helper()
	u := testnats.NewUser(h.t, name, h.Operator.Members.Key, change)
	return keys.Creds{Token: u.Token, Seed: u.Seed, CA: h.Operator.TLS.Authority, Name: name, Key: u.Key}
}
