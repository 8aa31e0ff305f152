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

// TestOldCopy: an old fleet.json that is put back admits nobody who was revoked since, not even a host that was
// added and revoked after the copy, and the verb that finds that says so, once.
func TestOldCopy(t *testing.T) {
	testskip.UnlessRoot(t)
	opts := machine(t)
	if _, err := Init(t.Context(), InitOptions{HubOptions: opts, Hubs: []string{"hub.example.net"}}); code(err) != exit.Stale {
		t.Fatal(err)
	}
	name := filepath.Join(opts.Root, operator)
	file := func() *keys.Operator {
		t.Helper()
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		op, err := keys.ReadOperator(text)
		if err != nil {
			t.Fatal(err)
		}
		return op
	}
	add := func(host string) string {
		t.Helper()
		r, err := Add(t.Context(), AddOptions{HubOptions: opts, Name: host, Print: func([]byte) error { return nil }})
		if err != nil {
			t.Fatal(err)
		}
		return r.Key
	}
	known := add("zeta_pbx1")
	old, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	later := add("zeta_pbx2")
	for _, host := range []string{"zeta_pbx1", "zeta_pbx2"} {
		if r, err := Revoke(t.Context(), RevokeOptions{HubOptions: opts, Name: host}); r.Keys != 1 { // no server runs
			t.Fatalf("%+v, %v", r, err)
		}
	}
	if err := os.WriteFile(name, old, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Add(t.Context(), AddOptions{HubOptions: opts, Name: "acme_pbx1", Print: func([]byte) error { return nil }})
	if code(err) != exit.Stale || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "revoked (2)") {
		t.Errorf("%+v, %v", r, err)
	}
	op := file()
	if _, active := op.Active("zeta_pbx1"); active {
		t.Error("who was revoked is admitted again")
	}
	conf, err := os.ReadFile(filepath.Join(opts.Root, serverConf))
	if err != nil {
		t.Fatal(err)
	}
	blank, err := keys.ReadOperator(old)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := blank.Regain(string(conf), time.Now()); err != nil || len(got) != 2 || !strings.Contains(strings.Join(got, " "), known) || !strings.Contains(strings.Join(got, " "), later) {
		t.Errorf("the server's configuration has revoked %q, %v; want %s and %s", got, err, known, later)
	}
	if again, err := Init(t.Context(), InitOptions{HubOptions: opts}); len(again.Changed) > 0 || strings.Contains(strings.Join(again.Notes, " "), "older copy") {
		t.Errorf("another run: %+v, %v", again, err)
	}
	// A host that was added after the copy, and is known by its key alone.
	stranger := add("new_pbx1")
	if err := os.WriteFile(name, old, 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := Revoke(t.Context(), RevokeOptions{HubOptions: opts, Name: stranger}); r.Keys != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if got := file().Strangers; !strings.Contains(strings.Join(got, " "), stranger) || len(got) != 2 {
		t.Errorf("strangers %q", got)
	}
	// The configuration of another fleet says nothing.
	other, err := keys.New([]string{"hub.example.net"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := other.Regain(string(conf), time.Now()); err != nil || len(got) > 0 {
		t.Errorf("another fleet takes over %q, %v", got, err)
	}
}
