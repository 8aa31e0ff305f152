package enroll

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/testskip"
)

// TestFleetGivenCertificate: the operator's own certificate is refused, with nothing changed, if the server could
// not start with it or hosts would not admit it, and the fleet's own can be taken back.
func TestFleetGivenCertificate(t *testing.T) {
	testskip.UnlessRoot(t)
	opts := machine(t)
	if _, err := Init(t.Context(), InitOptions{HubOptions: opts, Hubs: []string{"hub.example.net"}}); code(err) != exit.Stale {
		t.Fatal(err)
	}
	put := func(name, text string) string {
		t.Helper()
		if err := os.WriteFile(filepath.Join(opts.Root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	// The certificate of another fleet is as good as any, and its authority is one that nobody knows.
	other, err := keys.New([]string{"hub.example.net"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := keys.New([]string{"elsewhere.example.net"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cert, key := put("/cert.pem", other.TLS.Certificate), put("/key.pem", other.TLS.Key)
	wrong, wrongKey := put("/wrong.pem", elsewhere.TLS.Certificate), put("/wrong.key", elsewhere.TLS.Key)
	ca := filepath.Join(opts.Root, put("/ca.pem", other.TLS.Authority))
	wrongCA := filepath.Join(opts.Root, put("/wrongca.pem", elsewhere.TLS.Authority))
	now := func() string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(opts.Root, operator))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	name := filepath.Join(t.TempDir(), "join")
	if _, err := Add(t.Context(), AddOptions{HubOptions: opts, Name: "acme_pbx1", To: name}); code(err) == exit.Usage {
		t.Fatal(err)
	}
	before := now()
	for what, test := range map[string]struct {
		with InitOptions
		want string
	}{
		"no files":                    {InitOptions{Cert: "/none", Key: "/none"}, "none"},
		"relative names":              {InitOptions{Cert: "cert.pem", Key: "key.pem", Authority: ca}, "begins with /"},
		"another key":                 {InitOptions{Cert: cert, Key: wrongKey, Authority: ca}, "private key does not match"},
		"no certificate":              {InitOptions{Cert: key, Key: key, Authority: ca}, "cannot be used"},
		"another name":                {InitOptions{Cert: wrong, Key: wrongKey, Authority: wrongCA}, "valid for elsewhere.example.net"},
		"another authority":           {InitOptions{Cert: cert, Key: key, Authority: wrongCA}, "unknown authority"},
		"one that no system knows":    {InitOptions{Cert: cert, Key: key}, "unknown authority"},
		"an authority's lost file":    {InitOptions{Cert: cert, Key: key, Authority: "/nonexistent"}, "--ca"},
		"unknown to those who joined": {InitOptions{Cert: cert, Key: key, Authority: ca}, "acme_pbx1"},
		"a key of no document":        {InitOptions{DocumentKey: "nonsense"}, "voipbl fleet sign"},
	} {
		test.with.HubOptions = opts
		r, err := Init(t.Context(), test.with)
		if code(err) != exit.Usage || r.Error == nil || !strings.Contains(r.Error.Error+r.Error.Remedy, test.want) || strings.Contains(r.Error.Remedy, "name the hub") {
			t.Errorf("%s: %v, %+v", what, err, r.Error)
		}
		if now() != before {
			t.Fatalf("%s: the operator's file is changed", what)
		}
	}
	with := InitOptions{HubOptions: opts, Cert: cert, Key: key, Authority: ca, Force: true}
	if r, err := Init(t.Context(), with); code(err) != exit.Stale || r.Error != nil || now() == before {
		t.Errorf("%v, %+v", err, r)
	}
	if r, err := Init(t.Context(), InitOptions{HubOptions: opts, Hubs: []string{"new.example.net"}}); code(err) != exit.Usage {
		t.Errorf("a name that the certificate does not have: %+v", r)
	}
	if r, err := Init(t.Context(), InitOptions{HubOptions: opts, FleetCert: true}); code(err) != exit.Stale || now() != before {
		t.Errorf("back: %v, %+v", err, r)
	}
}
