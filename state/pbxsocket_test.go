package state

import (
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTellPBX: what the process that watches the PBX learns from the agent, and that there is none.
func TestTellPBX(t *testing.T) {
	tell := func(dir, path string) (answer string, err error) {
		err = TellPBX(t.Context(), dir, path, 10*time.Second, map[string]int{"n": 1}, &answer)
		return answer, err
	}
	dir := t.TempDir()
	for name, folder := range map[string]string{"no run folder": filepath.Join(dir, "none"), "no socket": dir} {
		if _, err := tell(folder, "/ban"); !errors.As(err, new(*NoAgentError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, PBXSocket), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	phones := strings.Repeat("p", maxPBXAnswer*3/4) // of many phones
	mux.HandleFunc("POST /all", func(w http.ResponseWriter, _ *http.Request) { Respond(w, phones) })
	mux.HandleFunc("POST /more", func(w http.ResponseWriter, _ *http.Request) { Respond(w, phones+phones) })
	mux.HandleFunc("POST /no", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "it is off", http.StatusConflict) })
	server := &http.Server{Handler: mux}
	ended := make(chan error)
	go func() { ended <- server.Serve(listener) }()
	if answer, err := tell(dir, "/all"); err != nil || answer != phones {
		t.Errorf("%v, %d bytes", err, len(answer))
	}
	if answer, err := tell(dir, "/more"); err == nil {
		t.Errorf("an answer of %d bytes is taken", len(answer))
	}
	if _, err := tell(dir, "/no"); err == nil || err.Error() != "the agent refuses it: 409: it is off" {
		t.Errorf("refused: %v", err)
	}
	listener.SetUnlinkOnClose(false) // as if it was killed
	server.Close()
	<-ended
	if none := (*NoAgentError)(nil); !errors.As(func() error { _, err := tell(dir, "/all"); return err }(), &none) || !none.Died {
		t.Errorf("dead: %+v", none)
	}
}
