// Package testdocument signs documents of a fleet's operator for tests.
package testdocument

import (
	"fmt"
	"testing"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fleet/document"
)

// Operator has a key of its own.
type Operator struct {
	t   testing.TB
	key document.Key
}

// New returns an operator with a new key.
func New(t testing.TB) Operator { return Operator{t, document.NewKey()} }

// Key returns the private key.
func (o Operator) Key() document.Key { return o.key }

// Config returns the lines of a configuration by which this operator's document counts. The hub does
// not exist.
func (o Operator) Config() string {
	return fmt.Sprintf("fleet: {hub: [\"nats://127.0.0.1:4222\"], key: %q}\n", o.key.Public().String())
}

// Sign returns a signed document, of what an operator writes.
func (o Operator) Sign(text string) []byte {
	o.t.Helper()
	f, err := config.ParseFleetDocument("document", []byte(text))
	if err != nil {
		o.t.Fatal(err)
	}
	d, err := document.New(f, time.Now())
	if err != nil {
		o.t.Fatal(err)
	}
	signed, err := document.Sign(d, o.key)
	if err != nil {
		o.t.Fatal(err)
	}
	return signed
}
