package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/beat"
	"github.com/voipbl/voipbl/fleet/enroll"
	"github.com/voipbl/voipbl/internal/metricnames"
	"github.com/voipbl/voipbl/internal/testpoll"
)

// roll is what "voipbl fleet status --json" says of the hub, and its exit code.
func (o *fleetOperator) roll() (s enroll.HubStatus, code int) {
	o.t.Helper()
	out, code := o.asks("fleet", "status", "--json", "--root", o.at("hub"))
	var all fleetStatus
	if err := json.Unmarshal([]byte(out), &all); err != nil || all.Hub == nil {
		o.t.Fatalf("%d: %v: %s", code, err, out)
	}
	return *all.Hub, code
}

// becomes waits until the hosts are in these states, and all that is printed agrees.
func (o *fleetOperator) becomes(code int, states ...string) enroll.HubStatus {
	o.t.Helper()
	var s enroll.HubStatus
	var got []string
	is := 0
	if !testpoll.Until(2*fleetWait, func() bool {
		s, is = o.roll()
		got = nil
		for _, h := range s.Hosts {
			got = append(got, h.Name.String()+" "+string(h.State))
		}
		return slices.Equal(got, states) && is == code
	}) {
		for _, p := range s.Problems {
			o.t.Error(p.Error)
		}
		o.t.Fatalf("%d: %q, want %d: %q", is, got, code, states)
	}
	for _, args := range [][]string{nil, {"--all"}} {
		out, is := o.asks(append([]string{"fleet", "status", "--root", o.at("hub")}, args...)...)
		for _, h := range s.Hosts {
			row := lines(out, "^"+h.Name.String()+" +"+h.State.Words()+" .*"+strings.Join(h.Why, "; ")+"$")
			if row != (h.State.Bad() || args != nil) {
				o.t.Errorf("%s %s, listed %v with %q: %s", h.Name, h.State, row, args, out)
			}
		}
		if is != code {
			o.t.Errorf("%d with %q, want %d: %s", is, args, code, out)
		}
	}
	return s
}

// TestMirrorWords: lists do not come from a mirror that has not been heard.
func TestMirrorWords(t *testing.T) {
	mirror := func(name fleet.Name, is beat.State) enroll.HostStatus {
		return enroll.HostStatus{Name: name, Mirror: true, State: is}
	}
	for _, c := range []struct {
		hosts []enroll.HostStatus
		want  string
	}{
		{nil, ""},
		{[]enroll.HostStatus{{Name: "acme_pbx1", State: beat.Fine}}, ""},
		{[]enroll.HostStatus{mirror("acme_hub", beat.Fine), mirror("beta_hub", beat.OldList)}, "lists are fetched for all by acme_hub, beta_hub"},
		{[]enroll.HostStatus{mirror("acme_hub", beat.Unknown)}, ""},
		{[]enroll.HostStatus{mirror("acme_hub", beat.NeverSeen)}, "no lists come from acme_hub (never seen)"},
		{[]enroll.HostStatus{mirror("acme_hub", beat.Fine), mirror("beta_hub", beat.Silent)}, "lists are fetched for all by acme_hub; no lists come from beta_hub (silent)"},
	} {
		s := &enroll.HubStatus{Answers: true, Hosts: c.hosts}
		if is := mirrorWords(s); is != c.want {
			t.Errorf("%q, want %q", is, c.want)
		}
		if s.Answers = false; mirrorWords(s) != "" {
			t.Errorf("with a server that does not answer: %q", mirrorWords(s))
		}
	}
}

// TestFleetRoll: the operator sees on the hub which host is not protected, which has never come, and who is
// revoked: in the table, in JSON, by the exit code and in the metrics.
func TestFleetRoll(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	o := f.hasHub()
	f.join("acme_pbx1", "", "")
	bad := f.join("zeta_pbx1", "", "firewall: {drop_at: none}\n")
	rule := func(what string) {
		t.Helper()
		bad.at.Do(func() {
			if out, err := exec.Command("iptables", what, "INPUT", "-m", "set", "--match-set", "voip_bl", "src", "-j", "DROP").CombinedOutput(); err != nil {
				t.Fatalf("iptables %s: %v: %s", what, err, out)
			}
		})
		bad.asks("reload") // it warns of a missing rule
	}
	rule("-A")
	f.hub.Creds("beta_gone")
	f.hub.Revoke("beta_gone")
	o.saves()
	s := o.becomes(0, "acme_pbx1 fine", "zeta_pbx1 fine", "beta_gone revoked")
	for _, h := range s.Hosts[:2] {
		if b := h.Heartbeat; b == nil || !b.Protected || b.Entries == 0 || b.Sets == "" || len(b.Lists) != 1 || b.Uptime == 0 || h.Connected.IsZero() || h.Address == "" {
			t.Errorf("%+v: %+v", h, b)
		}
	}
	if out, _ := o.asks("fleet", "status", "--root", o.at("hub")); !lines(out, `^0 of 2 need a look$`) || !lines(out, `^… 2 fine, with lists of \d+s at most, at message \d+; 1 revoked$`) {
		t.Error(out)
	}

	t.Log("a host that never comes")
	f.hub.Creds("beta_pbx1")
	o.saves()
	o.becomes(3, "beta_pbx1 never-seen", "acme_pbx1 fine", "zeta_pbx1 fine", "beta_gone revoked")

	t.Log("a rule that is taken away")
	began := time.Now()
	rule("-D")
	s = o.becomes(1, "zeta_pbx1 unprotected", "beta_pbx1 never-seen", "acme_pbx1 fine", "beta_gone revoked")
	t.Logf("seen after %v", time.Since(began))
	if s.Look != 2 || s.Hosts[0].Why[0] != beat.Words(beat.NoDrop) || len(s.Problems) > 0 {
		t.Errorf("%+v", s)
	}
	if out, code := bad.asks("status"); code != 1 {
		t.Errorf("its own status: %d: %s", code, out)
	}
	if out, code := o.asks("fleet", "status", "--root", o.at("hub"), "--metrics", o.at("hub.prom")); code != 0 || out != "" {
		t.Errorf("%d: %s", code, out)
	}
	text, err := os.ReadFile(o.at("hub.prom"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`voipbl_hub_ok 1`, `voipbl_hub_hosts{state="unprotected"} 1`, `voipbl_hub_hosts{state="fine"} 1`, `voipbl_hub_hosts{state="silent"} 0`,
		`voipbl_hub_host_protected{host="zeta_pbx1"} 0`, `voipbl_hub_host_protected{host="acme_pbx1"} 1`,
		`voipbl_hub_host_needs_look{host="beta_pbx1",state="never-seen"} 1`,
	} {
		if !strings.Contains(string(text), "\n"+want+"\n") {
			t.Errorf("no %s: %s", want, text)
		}
	}
	// What the dashboard and the alerts ask for is there.
	for _, file := range []string{"grafana/voipbl.json", "prometheus/voipbl-alerts.yml"} {
		asks, err := os.ReadFile(filepath.Join("..", "..", "packaging", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range metricnames.In(asks) {
			if strings.HasPrefix(name, "voipbl_hub_") && !strings.Contains(string(text), "\n"+name+" ") && !strings.Contains(string(text), "\n"+name+"{") {
				t.Errorf("%s asks for %s, which is not written", file, name)
			}
		}
	}
	rule("-A")
	o.becomes(3, "beta_pbx1 never-seen", "acme_pbx1 fine", "zeta_pbx1 fine", "beta_gone revoked")
}
