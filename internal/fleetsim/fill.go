package fleetsim

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/internal/testfleet"
	"github.com/voipbl/voipbl/internal/testpoll"
)

// Fill has the hub store bans as if that many hosts had said them, each the same number, for the same time.
// Each is of another address, and of [Address].
func Fill(t testing.TB, h *testfleet.Hub, hosts, each int, left time.Duration) {
	t.Helper()
	creds, err := h.Operator.AdminCreds()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(creds.CA))
	conn, err := nats.Connect(h.URL(), nats.UserJWTAndSeed(creds.Token, creds.Seed), nats.CustomInboxPrefix(keys.Inbox(creds.Name)),
		nats.Secure(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}), nats.Timeout(limit))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	await := func(messages int) {
		t.Helper()
		if !testpoll.Until(limit, func() bool {
			m, err := conn.Request("$JS.API.STREAM.INFO."+keys.Stream, nil, limit)
			var stream struct{ State *struct{ Messages int } }
			return err == nil && json.Unmarshal(m.Data, &stream) == nil && stream.State != nil && stream.State.Messages >= messages
		}) {
			t.Fatalf("the hub does not store %d messages", messages)
		}
	}
	await(0) // there is a stream
	for i := range hosts {
		var said []fleet.Said
		for j := range each {
			said = append(said, fleet.Said{Addr: Address(i*each + j), Age: time.Duration(j) * time.Second, Left: left, Why: "fail2ban asterisk"})
		}
		for slot, some := range fleet.Divide(said) {
			text, leftOut := fleet.Encode("filled", some, 0)
			if leftOut > 0 {
				t.Fatalf("%d bans have no room in a message", leftOut)
			}
			if err := conn.Publish(fleet.Subject(fleet.Name(fmt.Sprintf("full%d_pbx", i)), slot), text); err != nil {
				t.Fatal(err)
			}
		}
	}
	await(hosts * fleet.Slots) // it acknowledges nothing
}
