package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fleetOperator is who runs a fleet: a desk with the key of documents, and the hub's own files.
type fleetOperator struct {
	*fleetHosts
	dir string
	key string // the public one
}

// hasOperator gives the fleet an operator.
func (f *fleetHosts) hasOperator() *fleetOperator {
	f.t.Helper()
	o := f.hasHub()
	o.key = strings.TrimSpace(o.does("fleet", "sign", "--new-key", o.at("key"), "--json"))
	_, o.key, _ = strings.Cut(o.key, `"key": "`)
	o.key, _, _ = strings.Cut(o.key, `"`)
	f.hub.Operator.DocumentKey = o.key
	o.saves()
	return o
}

// hasHub gives the fleet an operator without a key of documents.
func (f *fleetHosts) hasHub() *fleetOperator {
	f.t.Helper()
	o := &fleetOperator{fleetHosts: f, dir: f.t.TempDir()}
	if err := os.MkdirAll(o.at("hub/etc/voipbl-fleet"), 0o700); err != nil {
		f.t.Fatal(err)
	}
	writeFile(f.t, o.at("voipbl.yaml"), "run_dir: "+o.at("run")+"\nstate_dir: "+o.at("state")+"\n")
	o.saves()
	return o
}

// saves writes the operator's file, with all hosts that were added until now.
func (o *fleetOperator) saves() {
	o.t.Helper()
	text, err := o.hub.Operator.Text()
	if err != nil {
		o.t.Fatal(err)
	}
	writeFile(o.t, o.at("hub/etc/voipbl-fleet/fleet.json"), string(text))
}

func (o *fleetOperator) at(name string) string { return filepath.Join(o.dir, name) }

func (o *fleetOperator) asks(args ...string) (string, int) {
	o.t.Helper()
	h := host{t: o.t}
	return h.run("voipbl", append([]string{"--config", o.at("voipbl.yaml")}, args...)...)
}

func (o *fleetOperator) does(args ...string) string {
	o.t.Helper()
	out, code := o.asks(args...)
	if code != 0 {
		o.t.Fatalf("%v: %d: %s", args, code, out)
	}
	return out
}

// signs writes a document and signs it, with the key in a file.
func (o *fleetOperator) signs(name, key, text string) (signed []byte) {
	o.t.Helper()
	writeFile(o.t, o.at(name+".yaml"), text)
	o.does("fleet", "sign", "--key", o.at(key), o.at(name+".yaml"), "-o", o.at(name))
	signed, err := os.ReadFile(o.at(name))
	if err != nil {
		o.t.Fatal(err)
	}
	return signed
}

// publishes puts a signed document on the hub.
func (o *fleetOperator) publishes(name string) (out string, code int) {
	o.t.Helper()
	return o.asks("fleet", "publish", o.at(name), "--root", o.at("hub"))
}

// counts waits until the host has the document with a serial, and nothing is wrong with it, or what is named.
func (m *fleetMember) counts(serial uint64, wrong string) {
	m.t.Helper()
	m.until("the document is in force, or refused", func() bool {
		var is bool
		m.at.Do(func() {
			s := m.status().FleetDocument
			var reasons []string
			for _, p := range s.Problems {
				reasons = append(reasons, p.Reason)
			}
			is = s.Serial == serial && strings.Join(reasons, " ") == wrong
		})
		return is
	})
}

// TestFleetOperator: what the operator has signed and published is in force on all hosts, whatever becomes of
// the hub. Whoever has the hub, and not the operator's key, changes nothing by it.
func TestFleetOperator(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	o := f.hasOperator()
	settings := "agree: 2\nkey: \"" + o.key + "\"\n"
	one := f.join("acme_pbx1", settings, "")
	other := f.join("zeta_pbx1", settings, "")
	one.does("ban", "6.6.6.1", "6.6.6.3")
	first := o.signs("first", "key", "serial: 1\nallow: [6.6.6.1, 6.6.7.0/24]\ntrunks: [6.6.6.2]\ntrust: [acme]\n")
	if !one.has("6.6.6.1") || other.has("6.6.6.3") {
		t.Errorf("before: %v, %v", one.bans(), other.bans())
	}

	if out, code := o.asks("fleet", "publish", o.at("first"), "--root", o.at("hub"), "--dry-run"); code != 0 || !strings.Contains(out, "would publish the document with serial 1, the first that counts") || !strings.Contains(out, "the document names acme, which the hub does not know") {
		t.Errorf("a dry run: %d: %s", code, out)
	}
	o.saves()

	t.Log("it is in force on all hosts")
	if out, code := o.publishes("first"); code != 0 || !strings.Contains(out, "serial 1") || strings.Contains(out, "does not know") {
		t.Fatalf("%d: %s", code, out)
	}
	keyless := f.join("late_pbx1", "agree: 2\n", "")
	one.loses("6.6.6.1")
	other.gets("6.6.6.3") // whom the operator trusts
	for _, m := range []*fleetMember{one, other} {
		m.counts(1, "")
		for addr, want := range map[string]string{"6.6.6.1": "allow of the fleet", "6.6.7.9": "allow of the fleet", "6.6.6.2": "trunk of the fleet"} {
			if out := m.does("exempt", addr); !strings.Contains(out, want) {
				t.Errorf("%s: %s", m.name, out)
			}
			if out, code := m.asks("ban", addr); code == 0 || !strings.Contains(out, want) {
				t.Errorf("%s: %d: %s", m.name, code, out)
			}
		}
		if out := m.does("fleet", "document"); !lines(out, `^serial 1, signed `) || !lines(out, `^trusted: acme$`) || !lines(out, `^6\.6\.6\.2 +trunk of the fleet`) {
			t.Errorf("%s", out)
		}
	}

	keyless.until("it says that the document does not count", func() bool {
		out, code := keyless.asks("fleet", "status")
		return code == 0 && lines(out, `^document +the operator's does not count here: fleet.key is empty$`)
	})
	if out, _ := keyless.asks("status"); !strings.Contains(out, "the operator's document does not count here (fleet.key)") {
		t.Errorf("%s", out)
	}
	if out := one.does("fleet", "status"); strings.Contains(out, "document") {
		t.Errorf("%s", out)
	}

	t.Log("a host that is revoked in it is not believed, although the hub admits it")
	began := other.health()
	o.signs("second", "key", "serial: 2\nallow: [6.6.6.1]\nrevoked: [acme_pbx1]\ntrust: [acme]\n")
	file := o.at("hub/etc/voipbl-fleet/fleet.json")
	read := func() string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	before := read()
	if out, code := o.publishes("second"); code != 0 {
		t.Fatalf("%d: %s", code, out)
	}
	after := read()
	writeFile(t, file, before) // a copy is put back
	if out, code := o.publishes("second"); code != 0 || !strings.Contains(out, "already") || read() != after || before == after {
		t.Errorf("published again: %d: %s: it is not written down", code, out)
	}
	other.counts(2, "")
	other.loses("6.6.6.3")
	if out, code := other.asks("exempt", "6.6.6.2"); code != 1 {
		t.Errorf("what it does not allow any more is exempt: %s", out)
	}
	if now := other.health(); !now.Connected.Equal(began.Connected) || !now.Since.Equal(began.Since) {
		t.Errorf("it has connected anew: %+v, before %+v", now, began)
	}

	t.Log("an older one, and one by another key, which the verb refuses, and hosts, if the hub has them all the same")
	o.does("fleet", "sign", "--new-key", o.at("another"))
	foreign := o.signs("foreign", "another", "serial: 9\nallow: [6.0.0.0/16]\ntrust: [acme]\n")
	for name, text := range map[string][]byte{"first": first, "foreign": foreign} {
		if out, code := o.publishes(name); code != 1 {
			t.Errorf("%s: %d: %s", name, code, out)
		}
		f.hub.Publish(text)
		other.counts(2, "fleet-document-refused")
		if out, code := o.asks("fleet", "status", "--root", o.at("hub")); code == 0 || !strings.Contains(out, "try: voipbl fleet publish FILE, with the signed document") {
			t.Errorf("%s: status on the hub: %d: %s", name, code, out)
		}
		if other.has("6.6.6.3") {
			t.Errorf("%s: a host is believed again", name)
		}
		if out, code := other.asks("exempt", "6.6.7.9"); code != 1 {
			t.Errorf("%s: it is exempt: %s", name, out)
		}
		if out, code := o.publishes("second"); code != 0 {
			t.Fatalf("%d: %s", code, out)
		}
		other.counts(2, "")
	}

	t.Log("it is in force while the hub is down, and hosts that are not there yet get it later")
	f.hub.Kill()
	other.until("it is not connected", func() bool { return !other.connected() })
	other.does("exempt", "6.6.6.1")
	f.hub.Run()
	late := f.join("beta_pbx1", settings, "")
	late.counts(2, "")
	late.does("exempt", "6.6.6.1")

	t.Log("a hub that has lost its store takes it away from nobody, and is given it again")
	f.hub.Lose()
	f.hub.Run()
	other.until("it is connected", func() bool { return other.connected() && other.health().Synced })
	other.counts(2, "")
	o.signs("third", "key", "serial: 3\nallow: [6.6.6.1]\n")
	other.until("it is published", func() bool { _, code := o.publishes("third"); return code == 0 })
	for _, m := range []*fleetMember{one, other, late} {
		m.counts(3, "")
	}
	other.does("exempt", "6.6.6.1")

	t.Log("who leaves is told what is exempt no more, and what is next")
	for _, args := range [][]string{{"--dry-run"}, nil} {
		out, code := other.asks(append([]string{"fleet", "leave"}, args...)...)
		out = strings.Join(strings.Fields(out), " ")
		for _, want := range []string{"what the operator's document allows (1) and its trunks (0) are exempt here no more", `next, on the hub, "voipbl fleet revoke zeta_pbx1"`} {
			if code != 0 || !strings.Contains(out, want) {
				t.Errorf("leave %v: %d, without %q: %s", args, code, want, out)
			}
		}
	}
}
