package hub

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/voipbl/voipbl/fleet/keys"
)

// member is a user of the hub, as its credentials say.
type member struct {
	name     string
	consumer string         // the one that it may have
	api      string         // what requests to JetStream begin with
	login    nats.Option    // nil: none
	roots    *x509.CertPool // nil: those of this machine
	ends     time.Time      // zero: never
	most     int            // bytes of a message to it

	// sessions has a connection after the first one encrypted with less work: see [tls.Config.ClientSessionCache].
	sessions tls.ClientSessionCache
}

// memberOf reads credentials of a user whose requests to JetStream begin with api.
func memberOf(creds []byte, api string) (member, error) {
	c, err := keys.ParseCreds(creds)
	if err != nil {
		return member{}, err
	}
	const hubs = 4 // hardly anybody has more
	m := member{sessions: tls.NewLRUClientSessionCache(hubs), name: c.Name, consumer: c.Consumer(), api: api, login: nats.UserJWTAndSeed(c.Token, c.Seed), ends: c.Expires, most: mostToOperator}
	if api == keys.APIPrefix {
		m.most = mostToHost
	}
	if c.CA != "" {
		m.roots = x509.NewCertPool()
		m.roots.AppendCertsFromPEM([]byte(c.CA))
	}
	return m, nil
}

// options are those of a connection with a hub, and how it is encrypted; nil if it is not.
func (m member) options(hub string) ([]nats.Option, *tls.Config, error) {
	u, err := url.Parse(hub)
	if err != nil {
		return nil, nil, err
	}
	options := []nats.Option{nats.Name(m.name), nats.CustomInboxPrefix(keys.Inbox(m.name))}
	var config *tls.Config
	switch u.Scheme {
	case "tls":
		config = &tls.Config{RootCAs: m.roots, MinVersion: tls.VersionTLS12, ClientSessionCache: m.sessions}
		options = append(options, nats.Secure(config))
	case "nats":
	default:
		return nil, nil, fmt.Errorf("%q is no URL of a hub: it begins with tls:// or nats://", hub)
	}
	if m.login != nil {
		options = append(options, m.login)
	}
	return options, config, nil
}
