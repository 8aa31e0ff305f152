package testnats

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

// TestServer: a server answers, keeps what it was given over a kill, and takes over another
// configuration.
func TestServer(t *testing.T) {
	s := Start(t, Plain)
	streams := func() int {
		t.Helper()
		nc, err := nats.Connect(s.URL())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		js, err := nc.JetStream()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.AddStream(&nats.StreamConfig{Name: "A", Subjects: []string{"a"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := js.Publish("a", nil); err != nil {
			t.Fatal(err)
		}
		info, err := js.StreamInfo("A")
		if err != nil {
			t.Fatal(err)
		}
		return int(info.State.Msgs)
	}
	if n := streams(); n != 1 {
		t.Errorf("%d messages", n)
	}
	s.Restart()
	if n := streams(); n != 2 {
		t.Errorf("%d messages after a restart", n)
	}
	s.Reload(Plain(s.Place) + "max_payload: 5\n")
	nc, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if nc.MaxPayload() != 5 {
		t.Errorf("largest payload %d", nc.MaxPayload())
	}
	s.Stop()
	if !strings.Contains(s.Log(), "Server Exiting") {
		t.Error("not stopped in order")
	}
	s.Run()
}

// TestDebian13: its program runs here, and is another version.
func TestDebian13(t *testing.T) {
	s := Debian13(t).Start(t, Plain)
	if !strings.Contains(s.Log(), "Version:  2.10.") {
		t.Error(s.Log())
	}
}
