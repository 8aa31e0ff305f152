package enroll

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/voipbl/voipbl/fleet/hub"
	"github.com/voipbl/voipbl/fleet/keys"
)

// TestEndedReaders: the hub's status says for a day that readers were ended, and whose key made them.
func TestEndedReaders(t *testing.T) {
	now, stranger, refused := time.Now(), newKey(t), newKey(t)
	h := &hubRun{op: &keys.Operator{Hosts: []keys.Host{{Name: "acme_pbx1", Key: "UOLD", Revoked: now}, {Name: "acme_pbx1", Key: "UA", Mirror: true}}, Strangers: []string{refused}}}
	for _, row := range []struct {
		name         string
		ended        hub.Ended
		says, remedy string
	}{
		{"none", hub.Ended{}, "", ""},
		{"of a host", hub.Ended{Readers: 3, Key: "UA", At: now.Add(-time.Hour)}, "somebody has the key of acme_pbx1", "voipbl fleet add acme_pbx1 --again --mirror"},
		{"by an unknown key", hub.Ended{Readers: 3, Key: stranger, At: now.Add(-time.Hour)}, "the last 3 of them", "voipbl fleet revoke " + stranger},
		{"by one that is refused", hub.Ended{Readers: 3, Key: refused, At: now.Add(-time.Hour)}, "", ""},
		{"by no key", hub.Ended{Readers: 3, Key: "x1", At: now.Add(-time.Hour)}, "", ""},
		{"by a key that is revoked", hub.Ended{Readers: 3, Key: "UOLD", At: now.Add(-time.Hour)}, "", ""},
		{"two days ago", hub.Ended{Readers: 3, Key: "UA", At: now.Add(-48 * time.Hour)}, "", ""},
	} {
		p := h.endedReaders(row.ended, now)
		if (p == nil) != (row.says == "") || p != nil && (!strings.Contains(p.Error, row.says) || !strings.Contains(p.Remedy, row.remedy)) {
			t.Errorf("%s: %+v", row.name, p)
		}
	}
}

// newKey is a public key of nobody.
func newKey(t *testing.T) string {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	key, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}
