package document

import (
	"crypto/ed25519"
	"encoding/json"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/voipbl/voipbl/config"
)

// signRaw signs a text, whatever it says.
func signRaw(t testing.TB, body, purpose string, k Key) []byte {
	t.Helper()
	text, err := json.Marshal(signed{[]byte(body), ed25519.Sign(k.private, []byte(purpose+body))})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

var fuzzKey = Key{ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}

// FuzzVerify: bytes that anybody has made are never the operator's word, unless they carry what the operator
// has signed.
func FuzzVerify(f *testing.F) {
	d := write(f, example)
	text := sign(f, d, fuzzKey)
	key := fuzzKey.Public()
	f.Add(text)
	f.Add([]byte(`{"body":"e30=","sig":""}`))
	f.Add(signRaw(f, `{"format":2}`, purpose, NewKey()))
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, err := Verify(text, key); err == nil && !cmp.Equal(d, got, cmpopts.EquateComparable(netip.Prefix{})) {
			t.Errorf("%+v", got)
		}
	})
}

// FuzzBody: whatever the operator signs is refused or is a document as this program would sign it: it disarms
// no host.
func FuzzBody(f *testing.F) {
	b, err := write(f, example).body()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(b))
	f.Add(`{"format":1,"serial":1,"allow":["::/19","1.0.0.0/8"],"at":"9999-12-31T23:59:59Z"}`)
	key := fuzzKey.Public()
	f.Fuzz(func(t *testing.T, body string) {
		d, err := Verify(signRaw(t, body, purpose, fuzzKey), key)
		if err != nil {
			return
		}
		again, err := New(d.FleetDocument, d.At)
		if err != nil {
			t.Fatalf("taken, and not signed again: %v", err)
		}
		back, err := Verify(sign(t, again, fuzzKey), key)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(d, back, cmpopts.EquateComparable(netip.Prefix{}), cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
		for _, h := range append(append([]config.Host{}, d.Allow...), d.Trunks...) {
			if _, err := config.ParseHost(h.String()); err != nil {
				t.Errorf("%v: %v", h, err)
			}
		}
	})
}
