package testfleet

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/internal/testnats"
)

// TestStart: hosts get answers also if they log in while the hub starts, at the same time as what keeps the
// stream. If the server reads an account when its first user logs in, two of five starts go wrong: then
// no host gets an answer until the next one.
func TestStart(t *testing.T) {
	h := &Hub{t: t, addr: netip.MustParseAddr("127.0.0.1")}
	h.Server = testnats.Start(t, h.configuration)
	keeper, err := h.Operator.KeeperCreds()
	h.must(err)
	all := []keys.Creds{keeper}
	for i := range 2 {
		c, err := h.Operator.Add(fleet.Name(fmt.Sprintf("acme_pbx%d", i)), time.Now())
		h.must(err)
		all = append(all, c)
	}
	for range 8 {
		h.Restart()
		answers := make(chan error)
		for _, c := range all {
			go func() { answers <- h.ask(c) }()
		}
		for range all {
			if err := <-answers; err != nil {
				t.Error(err)
			}
		}
	}
}

// ask logs in and asks JetStream for something.
func (h *Hub) ask(c keys.Creds) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(c.CA))
	conn, err := nats.Connect(h.URL(), nats.UserJWTAndSeed(c.Token, c.Seed), nats.CustomInboxPrefix(keys.Inbox(c.Name)),
		nats.Secure(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}), nats.Timeout(time.Minute))
	if err != nil {
		return err
	}
	defer conn.Close()
	subject := keys.APIPrefix + ".CONSUMER.DELETE." + keys.Stream + "." + c.Consumer()
	if _, err := fleet.ParseName(c.Name); err != nil {
		subject = "$JS.API.STREAM.INFO." + keys.Stream
	}
	_, err = conn.Request(subject, nil, 10*time.Second)
	return err
}
