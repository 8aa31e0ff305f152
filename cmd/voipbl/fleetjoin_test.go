package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/internal/testdocument"
)

// joinFile writes a file by which a host joins the fleet, with a key of its own.
func (m *fleetMember) joinFile(name string) (file string) {
	m.t.Helper()
	creds, err := m.fleet.hub.Operator.Add(fleet.Name(m.name), time.Now())
	if err != nil {
		m.t.Fatal(err)
	}
	text, err := m.fleet.hub.Operator.JoinFile(creds)
	if err != nil {
		m.t.Fatal(err)
	}
	file = filepath.Join(m.dir, name)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		m.t.Fatal(err)
	}
	return file
}

// file is the text of a file of the host's.
func (m *fleetMember) file(name string) string {
	m.t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(text)
}

// joinedUp reports whether the host has said that it is connected.
func (m *fleetMember) joinedUp() (is bool) {
	m.at.Do(func() {
		s := m.status()
		is = s.Agent != nil && s.Agent.Fleet != nil && !s.Agent.Fleet.Health.Connected.IsZero()
	})
	return is
}

// TestFleetLeave: a host whose fleet has a document joins one with another document, and leaves it: both were
// asked for. Whatever else the file takes away meanwhile is refused, by join before anything is written.
func TestFleetLeave(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	first, second := testdocument.New(t).Key().Public().String(), testdocument.New(t).Key().Public().String()
	m := f.join("acme_pbx1", "key: \""+first+"\"\n", "allow: [45.9.9.9]\n")
	m.until("connected", m.joinedUp)
	creds := filepath.Join(m.dir, "creds")

	f.hub.Operator.DocumentKey = second
	join, had, text := m.joinFile("second.join"), m.file(creds), m.file(m.config)
	writeFile(t, m.config, strings.Replace(text, "allow: [45.9.9.9]", "allow: []", 1))
	if out, code := m.asks("fleet", "join", join); code != 1 || !strings.Contains(out, "45.9.9.9 of allow") || m.file(creds) != had {
		t.Errorf("join with a file that takes more away: %d, the credentials changed: %t: %s", code, m.file(creds) != had, out)
	}
	writeFile(t, m.config, text)
	m.does("reload")
	if out, code := m.asks("fleet", "join", join); code != 0 || !strings.Contains(out, "acme_pbx1 is in the fleet, connected") || m.file(creds) == had {
		t.Errorf("join: %d: %s", code, out)
	}
	if !strings.Contains(m.file(m.config), second) {
		t.Errorf("the other document's key is not in the configuration:\n%s", m.file(m.config))
	}

	if out, code := m.asks("fleet", "leave"); code != 0 || !strings.Contains(out, "this host is in no fleet") {
		t.Errorf("leave: %d: %s", code, out)
	}
	if text := m.file(m.config); strings.Contains(text, second) {
		t.Errorf("fleet.key is there still:\n%s", text)
	}
	if out, code := m.asks("fleet", "status"); code != 0 || out != "this host is in no fleet\n" {
		t.Errorf("status: %d: %s", code, out)
	}
	m.does("fleet", "leave")
}

// TestFleetJoinRevoked: a join file that the hub refuses is not "connected" because the host is with the one
// before, and another one counts at once, although no unit starts the process anew.
func TestFleetJoinRevoked(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	m := f.join("acme_pbx1", "", "")
	m.until("connected", m.joinedUp)
	// Until what talks with the hub has begun, for a minute, nothing is wrong, and it is not connected.
	m.process.end(syscall.SIGKILL)
	m.runningAgent.end(syscall.SIGTERM)
	m.startAgent()
	if out, code := m.asks("fleet", "status"); code != 3 || !strings.Contains(out, "not yet: what talks with the hub is about to begin") {
		t.Errorf("status at the beginning: %d: %s", code, out)
	}
	m.startProcess()
	m.until("connected", m.joinedUp)
	bad := m.joinFile("bad.join")
	f.hub.Revoke("acme_pbx1")
	good := m.joinFile("good.join")

	if out, code := m.asks("fleet", "join", good); code != 0 || !strings.Contains(out, "acme_pbx1 is in the fleet, connected") {
		t.Errorf("join: %d: %s", code, out)
	}
	began := time.Now()
	if out, code := m.asks("fleet", "join", "--wait", "10m", bad); code != 3 || !strings.Contains(out, "not connected yet") || !strings.Contains(out, "the hub does not admit this host") || !strings.Contains(out, `"voipbl fleet add acme_pbx1 --again"`) {
		t.Errorf("join with a revoked key: %d: %s", code, out)
	}
	if took := time.Since(began); took > 5*time.Minute {
		t.Errorf("it waited for %v", took)
	}
	m.until("refused", func() bool { return m.health().Refused })
	if out, code := m.asks("fleet", "join", good); code != 0 || !strings.Contains(out, "acme_pbx1 is in the fleet, connected") {
		t.Errorf("join again: %d: %s", code, out)
	}
}
