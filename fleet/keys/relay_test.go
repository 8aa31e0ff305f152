package keys_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/keys"
)

// siteOf is an operator with hosts of a site and one of another, and the relay of that site.
func siteOf(t *testing.T, hosts int) (*keys.Operator, keys.Relay) {
	t.Helper()
	now := time.Now()
	o := newOperator(t, now, "hub.example.net")
	for i := range hosts {
		if _, err := o.Add(fleet.Name(fmt.Sprintf("acme_pbx%d", i)), now); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := o.Add("zeta_pbx1", now); err != nil {
		t.Fatal(err)
	}
	return o, setRelay(t, o, "relay.example.net")
}

func setRelay(t *testing.T, o *keys.Operator, addresses ...string) keys.Relay {
	t.Helper()
	r, err := o.SetRelay("acme", addresses, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// texts are the files of a relay.
func texts(t *testing.T, o *keys.Operator, r keys.Relay) (config, secrets string) {
	t.Helper()
	config, secrets, err := o.RelayServer(r, keys.RelayPlace{Secrets: "/etc/relay.pem"})
	if err != nil {
		t.Fatal(err)
	}
	return config, secrets
}

// TestRelayFiles: the same files for the same hosts, also by the file that was read again. A host that is added is
// let pass only by new files, and has the relay in its join file.
func TestRelayFiles(t *testing.T) {
	o, r := siteOf(t, 2)
	config, secrets := texts(t, o, r)
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
	if want := `tls { ca_file: "/etc/relay.pem", timeout: 20 }`; !strings.Contains(config, want) {
		t.Errorf("a busy hub has not the time of one for its relays (%s):\n%s", want, config)
	}
	for _, addresses := range [][]string{nil, {"relay.example.net"}, {"relay.example.net:4222"}} {
		if c, s := texts(t, again, setRelay(t, again, addresses...)); c != config || s != secrets {
			t.Errorf("other files for the same relay, by %q", addresses)
		}
	}
	for _, secret := range []string{o.Key, o.System.Key, o.Members.Key, o.Streams.Key, o.Signer, r.Seed, r.CertificateKey, o.TLS.Key, o.TLS.AuthorityKey} {
		if strings.Contains(config, secret) || strings.Contains(secrets, secret) != (secret == r.Seed || secret == r.CertificateKey) {
			t.Errorf("the secret %.12q… is where it should not be, or not where it should be", secret)
		}
	}
	server, err := o.Server(keys.Place{})
	if err != nil || !strings.Contains(server, `listen: "0.0.0.0:7422"`) {
		t.Errorf("the hub does not listen for relays: %v\n%s", err, server)
	}

	c, err := o.Add("acme_pbx9", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if r, _ := o.RelayOf("acme"); !slices.Equal(o.Unrelayed(r), []string{"acme_pbx9"}) || r.CutOff() {
		t.Errorf("after a host was added: %v, cut off: %v", o.Unrelayed(r), r.CutOff())
	}
	if r := setRelay(t, o); len(o.Unrelayed(r)) > 0 || r.Certificate == "" || !strings.Contains(secrets, r.Certificate) {
		t.Errorf("the new credential does not name %v", o.Unrelayed(r))
	}
	join, err := o.JoinFile(c)
	if err != nil {
		t.Fatal(err)
	}
	j, _, err := keys.ParseJoin(join)
	if want := []string{"tls://relay.example.net:4222", "tls://hub.example.net:4222"}; err != nil || !slices.Equal(j.Hubs, want) {
		t.Errorf("%v: %q, want %q", err, j.Hubs, want)
	}
}

// TestRelayRightsNamed: a relay's credential names the hosts of its site that are not revoked, and no other. One that
// names none is not made: it would let all pass.
func TestRelayRightsNamed(t *testing.T) {
	o, r := siteOf(t, 3)
	gone := o.Revoke("acme_pbx1", time.Now())
	r = setRelay(t, o)
	claims, err := jwt.DecodeUserClaims(r.Signed)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range o.Hosts {
		want := h.Name == "acme_pbx0" || h.Name == "acme_pbx2"
		for _, subject := range []string{fleet.Subject(h.Name, 0), fleet.Subject(h.Name, fleet.Slots-1), "v1.host." + h.Name.String(), "fleet.api.CONSUMER.CREATE.FLEET." + h.Key} {
			if is := claims.Pub.Allow.Contains(subject); is != want {
				t.Errorf("%s: %v", subject, is)
			}
		}
		if is := claims.Sub.Allow.Contains("_INBOX." + h.Name.String() + ".>"); is != want {
			t.Errorf("it listens for %s: %v", h.Name, is)
		}
	}
	for _, subject := range slices.Concat([]string(claims.Pub.Allow), []string(claims.Sub.Allow)) {
		if strings.Contains(subject, "zeta") || strings.HasPrefix(subject, "v1.list") || strings.HasPrefix(subject, "v1.copy") || strings.Contains(subject, gone[0]) || subject == ">" {
			t.Errorf("it may %s", subject)
		}
	}
	for _, name := range []fleet.Name{"acme_pbx0", "acme_pbx2"} {
		o.Revoke(name, time.Now())
	}
	for _, site := range []string{"acme", "beta", "", "acme_pbx0", "*", ">"} {
		if r, err := o.SetRelay(site, []string{"relay.example.net"}, time.Now()); err == nil {
			t.Errorf("a relay for %q: %+v", site, r)
		}
	}
}

// TestRelayCutOff: whatever key of a host is revoked, the hub refuses the credential that names it, for good, also if
// an old copy of the operator's file is put back. One that does not name it goes on.
func TestRelayCutOff(t *testing.T) {
	for name, revoke := range map[string]func(o *keys.Operator){
		"by name": func(o *keys.Operator) { o.Revoke("acme_pbx1", time.Now()) },
		"by key":  func(o *keys.Operator) { o.RevokeKey(o.Hosts[1].Key, "", time.Now()) },
		"former key": func(o *keys.Operator) {
			c, _ := o.Add("acme_pbx1", time.Now())
			o.Revoke("acme_pbx1", time.Now(), c.Key)
		},
	} {
		o, r := siteOf(t, 2)
		old, err := o.Text()
		if err != nil {
			t.Fatal(err)
		}
		streams := o.Streams.Signed
		o.Revoke("zeta_pbx1", time.Now())
		if r, _ := o.RelayOf("acme"); r.CutOff() {
			t.Errorf("%s: cut off for a host of another site", name)
		}
		revoke(o)
		if now, _ := o.RelayOf("acme"); !now.CutOff() {
			t.Errorf("%s: it is not cut off", name)
		}
		if _, _, err := o.RelayServer(r, keys.RelayPlace{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		server, err := o.Server(keys.Place{})
		if err != nil {
			t.Fatal(err)
		}
		account, err := jwt.DecodeAccountClaims(o.Relays[0].Account.Signed)
		if err != nil || account.Revocations[r.Key] == 0 || !strings.Contains(server, o.Relays[0].Account.Signed) {
			t.Errorf("%s: the server is not told: %v", name, err)
		}
		if o.Streams.Signed != streams {
			t.Errorf("%s: the streams' account is another one, so that all hosts miss something", name)
		}
		next := setRelay(t, o)
		for _, h := range o.Hosts {
			if h.Name == "acme_pbx1" && slices.Contains(next.Hosts, h.Name) != (name == "former key") {
				t.Errorf("%s: the account lets speak %v", name, next.Hosts)
			}
		}
		if next.Key == r.Key || account.Revocations[next.Key] != 0 {
			t.Errorf("%s: the new credential has the former key", name)
		}
		back, err := keys.ReadOperator(old)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := back.Regain(server, time.Now()); err != nil {
			t.Fatal(err)
		}
		if now, _ := back.RelayOf("acme"); !now.CutOff() || !slices.Contains(back.Strangers, r.Key) {
			t.Errorf("%s: an old copy of the file admits it again", name)
		}
		text, err := back.Text()
		if err == nil {
			_, err = keys.ReadOperator(text)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRelayCutOffByStranger: a key of which the file knows nothing may be one that a newer credential of the relay of
// its site names; of any relay, if its site is not known.
func TestRelayCutOffByStranger(t *testing.T) {
	for name, cut := range map[fleet.Name]bool{"": true, "acme_pbx9": true, "zeta_pbx9": false} {
		o, r := siteOf(t, 1)
		stranger, err := newOperator(t, time.Now(), "hub.example.net").Add("acme_pbx9", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if !o.RevokeKey(stranger.Key, name, time.Now()) || o.RevokeKey(stranger.Key, name, time.Now()) {
			t.Errorf("%q: it is revoked never, or twice", name)
		}
		if now, _ := o.RelayOf("acme"); now.CutOff() != cut || slices.Contains(o.Strangers, r.Key) != cut {
			t.Errorf("%q: the relay of acme is cut off: %t", name, now.CutOff())
		}
	}
}

// TestRelayBefore: a relay from before relays had accounts is cut off when the file is read.
func TestRelayBefore(t *testing.T) {
	o, r := siteOf(t, 1)
	o.Relays[0].Account = keys.Account{}
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	again, err := keys.ReadOperator(text)
	if err != nil {
		t.Fatal(err)
	}
	if now, _ := again.RelayOf("acme"); !now.CutOff() || !slices.Contains(again.Strangers, r.Key) {
		t.Errorf("it is not cut off: %+v", now)
	}
	if next := setRelay(t, again); next.CutOff() || next.Key == r.Key {
		t.Errorf("it does not get another credential: %+v", next)
	}
}

// TestRelayKeys: the hub's account of a relay has requests for the readers of its own hosts, also by a file from before
// it noted their keys, and the same ones while the relay is cut off.
func TestRelayKeys(t *testing.T) {
	o, r := siteOf(t, 2)
	makes := func(o *keys.Operator) (names []string) {
		t.Helper()
		if _, err := o.Text(); err != nil { // it signs
			t.Fatal(err)
		}
		account, err := jwt.DecodeAccountClaims(o.Relays[0].Account.Signed)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range account.Imports {
			if name, is := strings.CutPrefix(string(i.Subject), keys.APIPrefix+".CONSUMER.CREATE."); is {
				names = append(names, name)
			} else if strings.HasSuffix(string(i.Subject), ".>") {
				t.Errorf("it imports %s", i.Subject)
			}
		}
		slices.Sort(names)
		return names
	}
	of := func(name fleet.Name) string {
		h, _ := o.Active(name)
		return keys.Stream + "." + h.Key
	}
	want, left := []string{of("acme_pbx0"), of("acme_pbx1")}, []string{of("acme_pbx1")}
	slices.Sort(want)
	if got := makes(o); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	o.Relays[0].Keys = nil
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	again, err := keys.ReadOperator(text)
	if err != nil {
		t.Fatal(err)
	}
	if got := makes(again); !slices.Equal(got, want) {
		t.Errorf("of an older file: %q, want %q", got, want)
	}
	again.CutRelay(r.Site)
	if got := makes(again); !slices.Equal(got, want) {
		t.Errorf("cut off: %q, want %q", got, want)
	}
	again.Revoke("acme_pbx0", time.Now())
	setRelay(t, again)
	if got := makes(again); !slices.Equal(got, left) {
		t.Errorf("without a revoked host: %q, want %q", got, left)
	}
}

// TestRelayOwnCertificate: there is none for a relay if the hub's is the operator's own.
func TestRelayOwnCertificate(t *testing.T) {
	o, _ := siteOf(t, 1)
	given, err := keys.Given("/cert", "/key", "")
	if err != nil {
		t.Fatal(err)
	}
	o.Give(given)
	if _, err := o.SetRelay("acme", nil, time.Now()); err == nil {
		t.Error("no error")
	}
}
