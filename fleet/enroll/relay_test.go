package enroll

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/internal/testskip"
)

// TestFleetRelay: the files of a relay are written once for the same hosts, and adding and revoking a host of its
// site say that they are to be written anew, until they are.
func TestFleetRelay(t *testing.T) {
	testskip.UnlessRoot(t)
	opts, to := machine(t), filepath.Join(t.TempDir(), "acme")
	if _, err := Init(t.Context(), InitOptions{HubOptions: opts, Hubs: []string{"hub.example.net"}}); code(err) != exit.Stale {
		t.Fatal(err)
	}
	add := func(name string) *Added {
		t.Helper()
		r, err := Add(t.Context(), AddOptions{HubOptions: opts, Name: name, Print: func([]byte) error { return nil }})
		if code(err) != exit.OK && code(err) != exit.Stale {
			t.Fatal(err)
		}
		return r
	}
	relay := func(dry bool, addresses ...string) (*Relayed, error) {
		o := RelayOptions{HubOptions: opts, Site: "acme", Addresses: addresses, To: to}
		o.DryRun = dry
		return Relay(t.Context(), o)
	}
	if r, err := relay(false, "relay.example.net"); code(err) != exit.NotApplied || !strings.Contains(r.Error.Error, "no host of the site acme") {
		t.Errorf("of a site without hosts: %+v, %v", r, err)
	}
	if r := add("acme_pbx1"); len(r.Notes) > 0 {
		t.Errorf("without a relay: %q", r.Notes)
	}
	if r, err := relay(false); code(err) != exit.NotApplied || r.Error.Remedy == "" {
		t.Errorf("without an address: %+v, %v", r, err)
	}
	would, err := relay(true, "relay.example.net")
	if _, unmade := os.Stat(to); code(err) != exit.OK || unmade == nil {
		t.Errorf("a dry run: %v, and the folder is there: %t", err, unmade == nil)
	}
	first, err := relay(false, "relay.example.net")
	if code(err) != exit.Stale || !slices.Equal(first.Hosts, []fleet.Name{"acme_pbx1"}) || !slices.Equal(first.Changed, would.Changed) || len(first.Changed) != 4 {
		t.Errorf("%+v, %v; a dry run: %+v", first, err, would)
	}
	info, err := os.Stat(filepath.Join(to, relaySecrets))
	if err != nil || info.Mode().Perm() != relaySecretsMode {
		t.Errorf("%v, %v", info, err)
	}
	if r, _ := relay(false); len(r.Changed) > 0 {
		t.Errorf("again: %+v", r)
	}

	says := func(notes []string, what string) bool {
		return slices.ContainsFunc(notes, func(n string) bool {
			return strings.Contains(n, what) && strings.Contains(n, `"voipbl fleet relay acme -o FOLDER" writes its files anew`)
		})
	}
	if r := add("zeta_pbx1"); len(r.Notes) > 0 {
		t.Errorf("a host of another site: %q", r.Notes)
	}
	if r := add("acme_pbx2"); !says(r.Notes, "does not let pass: acme_pbx2") || !strings.Contains(r.Join, "relay.example.net") {
		t.Errorf("%+v", r)
	}
	if r, _ := relay(false); len(r.Changed) != 3 || len(r.Hosts) != 2 {
		t.Errorf("after a host was added: %+v", r)
	}
	if r := add("zeta_pbx2"); len(r.Notes) > 0 {
		t.Errorf("%q", r.Notes)
	}
	if r, _ := Revoke(t.Context(), RevokeOptions{HubOptions: opts, Name: "acme_pbx1"}); !says(r.Notes, "is cut off") {
		t.Errorf("%+v", r)
	}
	status, err := ReadHub(t.Context(), opts, time.Now())
	if err != nil || !slices.ContainsFunc(status.Problems, isOf("relay")) {
		t.Errorf("status says nothing of it: %+v, %v", status, err)
	}
	if r, _ := relay(false); len(r.Hosts) != 1 || !slices.Contains(r.Changed, filepath.Join(to, relaySecrets)) {
		t.Errorf("after a host was revoked: %+v", r)
	}
	if status, err := ReadHub(t.Context(), opts, time.Now()); err != nil || slices.ContainsFunc(status.Problems, isOf("relay")) {
		t.Errorf("status says that it is to be written anew: %+v, %v", status, err)
	}
}

// TestRelayPort: what is no port is refused before anything else.
func TestRelayPort(t *testing.T) {
	for _, port := range []int{-1, 65536, 99999} {
		r, err := Relay(t.Context(), RelayOptions{HubOptions: HubOptions{Root: t.TempDir(), RunDir: t.TempDir()}, Site: "acme", To: t.TempDir(), Port: port})
		if code(err) != exit.Usage || !strings.Contains(r.Error.Remedy, "--hub-port") {
			t.Errorf("%d: %+v, %v", port, r, err)
		}
	}
}

// TestRelayMoved: when the hub gets another port or name, it is said which relays do not find it any more, until they
// have other files. What relays cannot reach or admit is refused. Join files follow.
func TestRelayMoved(t *testing.T) {
	testskip.UnlessRoot(t)
	opts, folder := machine(t), t.TempDir()
	inits := func(opt InitOptions) (*Initialized, error) {
		opt.HubOptions = opts
		return Init(t.Context(), opt)
	}
	relay := func(site string, port int) *Relayed {
		t.Helper()
		r, err := Relay(t.Context(), RelayOptions{HubOptions: opts, Site: site, Addresses: []string{site + ".example.net"}, To: filepath.Join(folder, site), Port: port})
		if code(err) != exit.Stale {
			t.Fatalf("%+v, %v", r, err)
		}
		return r
	}
	joinFile := filepath.Join(folder, "acme_pbx1.join")
	add := func(name string) *Added {
		t.Helper()
		r, err := Add(t.Context(), AddOptions{HubOptions: opts, Name: name, To: filepath.Join(folder, name+".join")})
		if code(err) != exit.OK {
			t.Fatalf("%+v, %v", r, err)
		}
		return r
	}
	moved := func(notes []string, site string) bool {
		return slices.ContainsFunc(notes, func(n string) bool {
			return strings.Contains(n, "the site "+site+" is to reach the hub otherwise") && strings.Contains(n, "voipbl fleet relay "+site)
		})
	}
	status := func() (words []string) {
		t.Helper()
		s, err := ReadHub(t.Context(), opts, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range s.Problems {
			words = append(words, p.Error+": "+p.Remedy)
		}
		return words
	}

	if _, err := inits(InitOptions{Hubs: []string{"hub.example.net"}}); code(err) != exit.Stale {
		t.Fatal(err)
	}
	add("acme_pbx1")
	add("beta_pbx1")
	relay("acme", 0)
	if r := add("acme_pbx1"); r.New || !slices.Equal(r.Changed, []string{joinFile}) {
		t.Errorf("a join file from before the relay: %+v", r)
	}
	text, err := os.ReadFile(joinFile)
	if err != nil || !strings.Contains(string(text), "tls://acme.example.net:4222") {
		t.Errorf("it does not name the relay: %v\n%s", err, text)
	}
	if r := add("acme_pbx1"); len(r.Changed) > 0 {
		t.Errorf("again: %+v", r)
	}

	if r, err := inits(InitOptions{Hubs: []string{"hub.example.net:7422"}, Force: true}); code(err) != exit.Usage || !strings.Contains(r.Error.Error, "port 7422") {
		t.Errorf("hosts at the port for relays: %+v, %v", r, err)
	}
	if r, err := inits(InitOptions{Cert: "/cert.pem", Key: "/key.pem", Force: true}); code(err) != exit.Usage || !strings.Contains(r.Error.Error, "there are some: acme") {
		t.Errorf("another certificate: %+v, %v", r, err)
	}

	if r := relay("beta", 7500); !moved(r.Notes, "acme") || moved(r.Notes, "beta") {
		t.Errorf("another port: %q", r.Notes)
	}
	if words := status(); !moved(words, "acme") || moved(words, "beta") {
		t.Errorf("another port: %q", words)
	}
	relay("acme", 0)
	if r, _ := inits(InitOptions{}); moved(r.Notes, "acme") || moved(r.Notes, "beta") || moved(status(), "acme") {
		t.Errorf("with other files: %q, %q", r.Notes, status())
	}
	if r, err := inits(InitOptions{Hubs: []string{"new.example.net"}, Force: true}); code(err) != exit.Stale || !moved(r.Notes, "acme") || !moved(r.Notes, "beta") || !moved(status(), "beta") {
		t.Errorf("another name: %+v, %v, %q", r, err, status())
	}
}

// isOf reports whether a problem has a reason.
func isOf(reason string) func(*problem.Problem) bool {
	return func(p *problem.Problem) bool { return p.Reason == reason }
}
