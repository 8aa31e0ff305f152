package keys_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/keys"
)

func newOperator(t *testing.T, now time.Time, hubs ...string) *keys.Operator {
	t.Helper()
	o, err := keys.New(hubs, now)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestOperatorFile: what is read is what was written, and gives the server the same text.
func TestOperatorFile(t *testing.T) {
	now := time.Now()
	o := newOperator(t, now, "hub.example.net")
	for _, name := range []string{"acme_pbx1", "zeta_pbx1"} {
		if _, err := o.Add(fleet.Name(name), now); err != nil {
			t.Fatal(err)
		}
	}
	if got := o.Revoke("acme_pbx1", now); len(got) != 1 {
		t.Errorf("revoked %v", got)
	}
	if got := o.Revoke("acme_pbx1", now); len(got) != 0 {
		t.Errorf("revoked again: %v", got)
	}
	if _, ok := o.Active("acme_pbx1"); ok {
		t.Error("active after the revocation")
	}
	text, err := o.Text()
	if err != nil {
		t.Fatal(err)
	}
	again, err := keys.ReadOperator(text)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(o, again) {
		t.Errorf("read\n%+v\nwant\n%+v", again, o)
	}
	p := keys.Place{Store: "/store", Certificate: "/cert", Key: "/key"}
	first, err := o.Server(p)
	if err != nil {
		t.Fatal(err)
	}
	second, err := again.Server(p)
	if err != nil {
		t.Fatal(err)
	}
	if first != second || !strings.HasPrefix(first, keys.Marker+"\n") {
		t.Errorf("another text for the same fleet:\n%s\n%s", first, second)
	}
	for _, line := range []string{`ping_interval: "10s"`, "ping_max: 2", `write_deadline: "5s"`} {
		if !strings.Contains(first, "\n"+line+"\n") {
			t.Errorf("the server's configuration has no line %s", line)
		}
	}
	for _, secret := range []string{o.Key, o.System.Key, o.Streams.Key, o.Members.Key, o.Signer, o.Keeper, o.Admin, o.Asker, o.TLS.Key, o.TLS.AuthorityKey} {
		if secret == "" || strings.Contains(first, secret) {
			t.Errorf("the server's configuration has the secret %q", secret)
		}
	}
	// A host that is revoked is in the server's configuration, one that is added is not.
	if _, err := again.Add("acme_pbx2", now); err != nil {
		t.Fatal(err)
	}
	if third, err := again.Server(p); err != nil || third != first {
		t.Errorf("another text after a host was added: %v", err)
	}
	again.Revoke("zeta_pbx1", now)
	if fourth, err := again.Server(p); err != nil || fourth == first {
		t.Errorf("the same text after a host was revoked: %v", err)
	}
	for name, bad := range map[string][]byte{
		"nothing":         nil,
		"cut":             text[:len(text)-20],
		"another version": bytes.Replace(text, []byte(`"version": 1`), []byte(`"version": 2`), 1),
		"unknown field":   bytes.Replace(text, []byte(`"hubs"`), []byte(`"stations"`), 1),
		"more behind":     append(bytes.Clone(text), "{}"...),
		"no such key":     bytes.Replace(text, []byte(o.Signer), []byte("SA"), 1),
		"another kind":    bytes.Replace(text, []byte(o.Signer), []byte(o.Keeper), 1),
		"no such name":    bytes.Replace(text, []byte("zeta_pbx1"), []byte("Zeta_pbx1"), 1),
		"no hub":          bytes.Replace(text, []byte("hub.example.net:4222"), []byte("hub example:4222"), 1),
		"no certificate":  bytes.Replace(text, []byte("BEGIN CERT"), []byte("BEGIN CORT"), 1),
	} {
		if _, err := keys.ReadOperator(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestCreds: what is read is what was written.
func TestCreds(t *testing.T) {
	now := time.Now()
	o := newOperator(t, now, "hub.example.net", "192.0.2.1")
	c, err := o.Add("acme_pbx1", now)
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "acme_pbx1" || !c.Expires.IsZero() || c.CA != o.TLS.Authority {
		t.Errorf("%+v", c)
	}
	for name, text := range map[string][]byte{
		"as written":   c.Text(),
		"of Windows":   bytes.ReplaceAll(c.Text(), []byte("\n"), []byte("\r\n")),
		"with a space": bytes.ReplaceAll(c.Text(), []byte("-\n"), []byte("- \n")),
	} {
		got, err := keys.ParseCreds(text)
		got.CA = strings.ReplaceAll(strings.ReplaceAll(got.CA, "\r", ""), "- ", "-")
		if err != nil || got != c {
			t.Errorf("%s: %v\n%+v\nwant\n%+v", name, err, got, c)
		}
	}
	other, err := o.Add("zeta_pbx1", now)
	if err != nil {
		t.Fatal(err)
	}
	text := string(c.Text())
	for name, bad := range map[string]string{
		"nothing":            "",
		"no key":             text[:strings.Index(text, "-----BEGIN USER")],
		"another's key":      strings.Replace(text, c.Seed, other.Seed, 1),
		"another's token":    strings.Replace(text, c.Token, other.Token, 1),
		"a changed token":    strings.Replace(text, c.Token, c.Token[:100]+"A"+c.Token[101:], 1),
		"no end":             strings.Replace(text, "END NATS", "ENT NATS", 1),
		"two tokens":         strings.Replace(text, c.Token, c.Token+"\n"+c.Token, 1),
		"a cut certificate":  text[:len(text)-60],
		"certificate, wrong": strings.Replace(text, "CERTIFICATE-----\nMII", "CERTIFICATE-----\nNII", 1),
		"too long":           text + strings.Repeat("\n", keys.MaxCreds),
	} {
		if got, err := keys.ParseCreds([]byte(bad)); err == nil {
			t.Errorf("%s: no error, %+v", name, got)
		}
	}
}

// TestJoinFile: what is read is what was written, and nothing else.
func TestJoinFile(t *testing.T) {
	now := time.Now()
	o := newOperator(t, now, "hub.example.net:4333", "[2001:db8::1]:4333", "192.0.2.1:4333")
	o.DocumentKey = "voipbl-doc:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
	c, err := o.Add("acme_pbx1", now)
	if err != nil {
		t.Fatal(err)
	}
	text, err := o.JoinFile(c)
	if err != nil {
		t.Fatal(err)
	}
	j, got, err := keys.ParseJoin(text)
	if err != nil || got != c || j.Name != "acme_pbx1" || j.Key != o.DocumentKey || !slices.Equal(j.Hubs, o.URLs()) {
		t.Errorf("%v\n%+v\n%+v\nwant\n%+v", err, j, got, c)
	}
	if want := []string{"tls://hub.example.net:4333", "tls://[2001:db8::1]:4333", "tls://192.0.2.1:4333"}; !slices.Equal(j.Hubs, want) {
		t.Errorf("hubs %q, want %q", j.Hubs, want)
	}
	replaced := func(old, new string) string {
		t.Helper()
		if !strings.Contains(string(text), old) {
			t.Fatalf("no %q in %s", old, text)
		}
		return strings.Replace(string(text), old, new, 1)
	}
	keeper, err := o.KeeperCreds()
	if err != nil {
		t.Fatal(err)
	}
	ofKeeper, err := o.JoinFile(keeper)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"nothing":           "",
		"another program's": `{"voipbl": 1}`,
		"another version":   replaced(`"voipbl_fleet": 1`, `"voipbl_fleet": 2`),
		"of another host":   replaced(`"name": "acme_pbx1"`, `"name": "acme_pbx2"`),
		"of no host":        string(ofKeeper),
		"unknown field":     replaced(`"hubs"`, `"hobs"`),
		"more behind":       string(text) + "{}",
		"cut":               string(text[:len(text)/2]),
		"without TLS":       replaced("tls://hub", "nats://hub"),
		"with a password":   replaced("tls://hub", "tls://user:secret@hub"),
		"with a path":       replaced("4333\"", "4333/x\""),
		"no port":           replaced("hub.example.net:4333", "hub.example.net:433333"),
		"no public key":     replaced("voipbl-doc:", "voipbl-doc-secret:"),
		"no hub":            replaced("hub.example.net", "hub..net"),
		"too long":          string(text) + strings.Repeat("\n", keys.MaxJoin),
	} {
		if _, _, err := keys.ParseJoin([]byte(bad)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestHubs: which names and addresses of a hub are taken.
func TestHubs(t *testing.T) {
	for hub, want := range map[string]string{
		"hub.example.net":                    "hub.example.net:4222",
		"HUB.example.net":                    "hub.example.net:4222",
		"hub:1":                              "hub:1",
		"192.0.2.1":                          "192.0.2.1:4222",
		"192.0.2.1:65535":                    "192.0.2.1:65535",
		"2001:db8::1":                        "[2001:db8::1]:4222",
		"[2001:db8::1]":                      "[2001:db8::1]:4222",
		"[2001:db8::1]:4333":                 "[2001:db8::1]:4333",
		"":                                   "",
		":4222":                              "",
		"hub:0":                              "",
		"hub:65536":                          "",
		"hub:04222":                          "",
		"hub:":                               "",
		"192.0.2":                            "",
		"192.0.2.256":                        "",
		"0.0.0.0":                            "",
		"::":                                 "",
		"fe80::1%eth0":                       "",
		"tls://hub":                          "",
		"a..b":                               "",
		"-a.b":                               "",
		"a b":                                "",
		"[hub]:4222":                         "",
		"[192.0.2.1]":                        "",
		strings.Repeat("a.", 127):            "",
		strings.Repeat("a", 64) + ".example": "",
	} {
		o, err := keys.New([]string{hub}, time.Now())
		switch {
		case want == "" && err == nil:
			t.Errorf("%q is taken, as %q", hub, o.Hubs)
		case want != "" && (err != nil || o.Hubs[0] != want):
			t.Errorf("%q: %v, want %q", hub, err, want)
		}
	}
	if _, err := keys.New([]string{"hub:1", "hub:2"}, time.Now()); err == nil {
		t.Error("two ports are taken")
	}
	if _, err := keys.New(nil, time.Now()); err == nil {
		t.Error("no hub is taken")
	}
}

// TestCertificates: hosts accept the server's certificate under its names, for as long as they should,
// and over each renewal.
func TestCertificates(t *testing.T) {
	const day = 24 * time.Hour
	begin := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	o := newOperator(t, begin, "hub.example.net", "2001:db8::1")
	accepted := func(o *keys.Operator, name string, at time.Time) bool {
		t.Helper()
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM([]byte(o.TLS.Authority))
		block, _ := pem.Decode([]byte(o.TLS.Certificate))
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: at})
		return err == nil
	}
	ends, err := o.Ends()
	if err != nil || ends != begin.Add(3650*day) {
		t.Errorf("ends %v, %v", ends, err)
	}
	for _, c := range []struct {
		name string
		at   time.Time
		want bool
	}{
		{"hub.example.net", begin, true},
		{"[2001:db8::1]", begin, true},
		{"192.0.2.1", begin, false},
		{"example.net", begin, false},
		{"hub.example.net", begin.Add(-6 * day), true}, // the host's clock is late
		{"hub.example.net", begin.Add(-8 * day), false},
		{"hub.example.net", ends.Add(-day), true},
		{"hub.example.net", ends.Add(day), false},
	} {
		if got := accepted(o, c.name, c.at); got != c.want {
			t.Errorf("%s at %v: accepted %v, want %v", c.name, c.at, got, c.want)
		}
	}
	before := o.TLS
	set := func(at time.Time, hubs ...string) {
		t.Helper()
		if err := o.SetHubs(hubs, at); err != nil {
			t.Fatal(err)
		}
	}
	set(begin.Add(365*day), "hub.example.net", "2001:db8::1")
	if o.TLS != before {
		t.Error("made anew without need")
	}
	set(begin.Add(365*day), "new.example.net")
	if o.TLS.Authority != before.Authority || o.TLS.Certificate == before.Certificate || !accepted(o, "new.example.net", begin.Add(365*day)) || accepted(o, "hub.example.net", begin.Add(365*day)) {
		t.Error("not made anew for another name, or by another authority")
	}
	before = o.TLS
	late := begin.Add(7 * 365 * day)
	set(late, "new.example.net")
	if o.TLS.Authority != before.Authority || o.TLS.Certificate == before.Certificate || !accepted(o, "new.example.net", late.Add(3649*day)) {
		t.Error("not made anew when its time is more than half over")
	}
	// No certificate of the server outlives its authority's.
	set(begin.Add(29*365*day), "new.example.net")
	if ends, err := o.Ends(); err != nil || ends != begin.Add(30*365*day) {
		t.Errorf("ends %v, %v", ends, err)
	}
}
