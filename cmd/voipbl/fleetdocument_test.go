package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	fleetdocument "github.com/voipbl/voipbl/fleet/document"
	"github.com/voipbl/voipbl/fleet/link"
	"github.com/voipbl/voipbl/internal/testdocument"
	"github.com/voipbl/voipbl/state"
)

// fleetSide is the end of the agent's socket at which the process that talks with the hub would be.
type fleetSide struct {
	*runningAgent
	runDir string
}

func (f fleetSide) tell(path string, what, v any) error {
	return state.TellFleet(f.t.Context(), f.runDir, path, link.ChangeWait/2, what, v)
}

func (f fleetSide) settings() (s link.Settings) {
	f.t.Helper()
	if err := f.tell(link.SettingsPath, nil, &s); err != nil {
		f.t.Fatal(err)
	}
	return s
}

// bring sends a document.
func (f fleetSide) bring(signed []byte) (a link.DocumentAnswer) {
	f.t.Helper()
	if err := f.tell(link.DocumentPath, link.Document{Signed: signed}, &a); err != nil {
		f.t.Fatal(err)
	}
	return a
}

// reasons are why an address is exempt, by "voipbl exempt".
func (f fleetSide) reasons(addr string) (all []string) {
	f.t.Helper()
	out, code := f.voipbl("exempt", "--json", addr)
	var found []struct {
		Because []struct{ Reasons []string }
	}
	if err := json.Unmarshal([]byte(out), &found); err != nil || code > 1 {
		f.t.Fatalf("%d, %v: %s", code, err, out)
	}
	for _, b := range found[0].Because {
		all = append(all, b.Reasons...)
	}
	return all
}

// TestFleetDocument: what the operator of the fleet has signed is in force on a host at once, and after
// whatever becomes of the agent. Whoever has taken over the process that brings it, or the hub, can do
// nothing with it that the operator has not done.
func TestFleetDocument(t *testing.T) {
	t.Parallel()
	h := newHost(t, "nft")
	operator := testdocument.New(t)
	writeFile(t, filepath.Join(h.dir, "list"), "5.5.5.0/24\n6.6.6.0/24\n")
	settings := "allow: [5.5.5.1]\n" + strings.Replace(operator.Config(), "}", ", trust: [acme]}", 1)
	file := h.configure(settings, h.nearFeed())
	r := h.startAgent(file)
	r.told("READY=1", time.Minute)
	f := fleetSide{r, filepath.Join(h.dir, "run")}
	if out, code := r.voipbl("ban", "9.9.9.1", "9.9.9.2", "9.9.9.3"); code != 0 {
		t.Fatalf("%d: %s", code, out)
	}
	inForce := func(f fleetSide, addr, want string) {
		t.Helper()
		if got := strings.Join(f.reasons(addr), ", "); got != want {
			t.Errorf("%s is exempt as %q, not %q", addr, got, want)
		}
	}
	blocked := func(addr string) bool {
		t.Helper()
		for _, set := range []string{"voip_bl", "voip_ban"} {
			if _, code := h.run("ipset", "test", set, addr); code == 0 {
				return true
			}
		}
		return false
	}
	if s := f.settings(); !s.TakesDocument || !slices.Equal(s.Trust, []string{"acme"}) || !blocked("5.5.5.7") || !blocked("9.9.9.1") {
		t.Fatalf("before: %+v", s)
	}

	t.Log("a document is in force at once: in lists, in bans, and in what the process is told")
	had := f.settings()
	woken := make(chan link.Seen, 1)
	go func() {
		var now link.Seen
		if err := f.tell(link.ChangePath, link.Seen{Settings: had.Serial(), Own: 1 << 60}, &now); err != nil {
			t.Error(err)
		}
		woken <- now
	}()
	first := operator.Sign("serial: 7\nallow: [5.5.5.1, 5.5.5.7, 9.9.9.1, \"2a00:9::/32\"]\ntrunks: [9.9.9.2]\ntrust: [acme, zeta_pbx1]\nrevoked: [acme_pbx9]\n")
	if a := f.bring(first); a != (link.DocumentAnswer{Serial: 7}) {
		t.Errorf("%+v", a)
	}
	<-woken
	h.eventually("the kernel follows", time.Minute, func() bool { return !blocked("5.5.5.7") && !blocked("9.9.9.1") && !blocked("9.9.9.2") })
	if !blocked("9.9.9.3") || !blocked("5.5.5.8") {
		t.Error("others are let in too")
	}
	if s := f.settings(); !slices.Equal(s.Trust, []string{"acme", "zeta_pbx1"}) || !slices.Equal(s.Revoked, []string{"acme_pbx9"}) || s.Serial() == had.Serial() {
		t.Errorf("%+v", s)
	}
	inForce(f, "5.5.5.1", "allow, allow of the fleet")
	inForce(f, "9.9.9.2", "trunk of the fleet")
	inForce(f, "9.9.9.3", "")
	for _, args := range [][]string{{"check", "9.9.9.1"}, {"allowed"}, {"ban", "9.9.9.1"}} {
		if out, _ := r.voipbl(args...); !strings.Contains(out, "allow of the fleet") {
			t.Errorf("%v: %s", args, out)
		}
	}
	if s := r.status(); s.FleetDocument == nil || s.FleetDocument.Serial != 7 || s.FleetDocument.Allow != 4 || len(s.FleetDocument.Problems) > 0 {
		t.Errorf("%+v", s.FleetDocument)
	}

	t.Log("what is no newer word of the operator's changes nothing, and status says that it came")
	old, other := operator.Sign("serial: 6\nallow: [9.9.9.3]"), testdocument.New(t).Sign("serial: 8\nallow: [9.9.9.3]")
	for _, test := range []struct {
		what, why string
		signed    []byte
	}{
		{"an old one", "older (serial 6)", old},
		{"another one of that serial", "another document with the serial", operator.Sign("serial: 7\nallow: [9.9.9.3]")},
		{"one of somebody else", "the operator's key has not signed it", other},
		{"a changed one", "it is no", bytes.Replace(first, []byte("body"), []byte("b0dy"), 1)},
		{"a long one", "it is no signed document", bytes.Repeat([]byte("x"), fleetdocument.MaxSigned+1)},
		{"nothing", "it is no signed document", nil},
	} {
		if a := f.bring(test.signed); a.Serial != 7 || !strings.Contains(a.Refused, test.why) || a.Undone {
			t.Errorf("%s: %+v", test.what, a)
		}
		if s := r.status(); len(s.FleetDocument.Problems) != 1 || s.FleetDocument.Problems[0].Reason != "fleet-document-refused" || s.FleetDocument.Serial != 7 {
			t.Errorf("%s: %+v", test.what, s.FleetDocument)
		}
	}
	if a := f.bring(first); a.Refused != "" || len(r.status().FleetDocument.Problems) > 0 {
		t.Errorf("%+v", a)
	}
	if !blocked("9.9.9.3") {
		t.Error("it counts")
	}
	tooMany := 0
	for range 60 {
		var a link.DocumentAnswer
		if err := f.tell(link.DocumentPath, link.Document{Signed: old}, &a); err != nil && strings.Contains(err.Error(), fmt.Sprint(http.StatusTooManyRequests)) {
			tooMany++
		}
	}
	if tooMany < 30 {
		t.Errorf("%d of 60 requests were refused", tooMany)
	}

	t.Log("it outlives the agent, counts without one, and an old one stays old")
	r.end(syscall.SIGKILL)
	if out, code := r.voipbl("ban", "9.9.9.1"); code != 1 || !strings.Contains(out, "it is exempt: allow of the fleet\n  try: to block it all the same, have the operator of the fleet") {
		t.Errorf("%d: %s", code, out)
	}
	if out, code := r.voipbl("ban", "9.9.9.4"); code != 0 {
		t.Errorf("%d: %s", code, out)
	}
	h.configure(settings, "{name: mine, path: "+h.dir+"/list, schedule: \"@hourly\"}") // so that a sync has something to do
	if out, _ := r.voipbl("sync"); !strings.Contains(out, "exempt: 5.5.5.7 kept out of the sets: allow of the fleet") {
		t.Errorf("%s", out)
	}
	if blocked("5.5.5.7") || blocked("9.9.9.1") || !blocked("9.9.9.4") {
		t.Error("without an agent it does not count")
	}
	h.must("rm", "-r", f.runDir) // as after a boot
	r = h.startAgent(file)
	r.told("READY=1", time.Minute)
	f.runningAgent = r
	inForce(f, "5.5.5.7", "allow of the fleet")
	if a := f.bring(old); a.Serial != 7 || a.Refused == "" {
		t.Errorf("%+v", a)
	}

	t.Log("the next one takes away what it does not allow")
	if a := f.bring(operator.Sign("serial: 8\nallow: [5.5.5.8]")); a != (link.DocumentAnswer{Serial: 8}) {
		t.Errorf("%+v", a)
	}
	h.eventually("the kernel follows", time.Minute, func() bool { return blocked("5.5.5.7") && blocked("9.9.9.1") && !blocked("5.5.5.8") })
	inForce(f, "5.5.5.1", "allow")

	t.Log("a newer voipbl than there is")
	if a := f.bring(operator.Sign("serial: 9\nallow: [5.5.5.8]\nminimum_version: 999.0.0")); a.Serial != 9 {
		t.Errorf("%+v", a)
	}
	if out, code := r.voipbl("status"); code != 3 || !strings.Contains(out, "asks for voipbl 999.0.0 or newer") {
		t.Errorf("%d: %s", code, out)
	}

	t.Log("a host that leaves the fleet has only its own friends")
	h.configure("allow: [5.5.5.1]\n", h.nearFeed())
	if out, code := r.voipbl("reload"); code != 0 {
		t.Errorf("%d: %s", code, out)
	}
	if !blocked("5.5.5.8") || blocked("5.5.5.1") {
		t.Error("the document counts")
	}
	var a link.DocumentAnswer
	if err := f.tell(link.DocumentPath, link.Document{Signed: first}, &a); err == nil {
		t.Errorf("%+v", a)
	}
	if s := r.status(); s.FleetDocument != nil {
		t.Errorf("%+v", s.FleetDocument)
	}
}
