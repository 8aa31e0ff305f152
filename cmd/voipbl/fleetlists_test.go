package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// origin is a list's source, which notes who asks.
type origin struct {
	url string

	mu    sync.Mutex
	text  string
	asked map[string]int // by address
}

// startOrigin serves a list beside the hub.
func (f *fleetHosts) startOrigin(text string) *origin {
	f.t.Helper()
	o := &origin{text: text, asked: make(map[string]int)}
	l, err := net.Listen("tcp4", ":0") // its address comes with the first host
	if err != nil {
		f.t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		defer o.mu.Unlock()
		who, _, _ := net.SplitHostPort(r.RemoteAddr)
		o.asked[who]++
		serve(w, r, []byte(o.text))
	}))
	server.Listener.Close()
	server.Listener = l
	server.Start()
	f.t.Cleanup(server.Close)
	o.url = fmt.Sprintf("http://%s/list", netip.AddrPortFrom(hubAddr, uint16(l.Addr().(*net.TCPAddr).Port)))
	return o
}

func (o *origin) by(who string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked[who]
}

// TestFleetLists: what a mirror fetches, another host has in its kernel without asking the list's source, and
// says from whom. Without a mirror's word it asks the source at once.
func TestFleetLists(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	list := "45.0.0.1\n45.0.0.2\n45.0.0.3\n"
	o := f.startOrigin(list)
	feed := func(schedule string) func(*host) string {
		return func(*host) string {
			return `{name: far, url: "` + o.url + `", insecure: true, min_entries: 1, schedule: "` + schedule + `"}`
		}
	}
	mirror := f.joinAs("acme_hub", f.hub.MirrorCreds("acme_hub"), "", "", feed("@every 1m"))
	host := f.joinAs("zeta_pbx1", f.hub.Creds("zeta_pbx1"), "", "", feed("@every 2m"))
	has := func(m *fleetMember, addr string) func() bool {
		return func() bool {
			out, _ := m.asks("check", addr)
			return strings.Contains(out, "far")
		}
	}
	mirror.until("the first list", has(mirror, "45.0.0.1"))
	host.until("the first list", has(host, "45.0.0.1"))
	const itself = "198.18.2.1"
	before := o.by(itself)
	if before == 0 {
		t.Error("the host has a list that it has not fetched, before there is a mirror's word")
	}
	o.mu.Lock()
	o.text = list + "45.0.0.77\n"
	o.mu.Unlock()
	mirror.does("sync")
	host.until("the new list", has(host, "45.0.0.77"))
	if n := o.by(itself) - before; n > 0 {
		t.Errorf("the host has asked the source %d times, although there is a mirror", n)
	}
	if out := host.does("status"); !strings.Contains(out, "from the fleet's mirror acme_hub") {
		t.Errorf("%s", out)
	}
	if out, _ := host.asks("check", "45.0.0.77"); !strings.Contains(out, ", from the fleet's mirror acme_hub") {
		t.Errorf("%s", out)
	}
	if out := mirror.does("status"); strings.Contains(out, "from the fleet's mirror") {
		t.Errorf("%s", out)
	}

	t.Log("the mirror dies, and another one goes on")
	second := f.joinAs("beta_hub", f.hub.MirrorCreds("beta_hub"), "", "", feed("@every 1m"))
	second.until("the list", has(second, "45.0.0.77"))
	second.until("connected", second.connected)
	mirror.process.end(syscall.SIGKILL)
	mirror.runningAgent.end(syscall.SIGKILL)
	before = o.by(itself)
	o.mu.Lock()
	o.text = list + "45.0.0.78\n"
	o.mu.Unlock()
	second.does("sync")
	host.until("the list of the other mirror", has(host, "45.0.0.78"))
	if n := o.by(itself) - before; n > 0 {
		t.Errorf("the host has asked the source %d times, although there is another mirror", n)
	}
	if out := host.does("status"); !strings.Contains(out, "from the fleet's mirror beta_hub") {
		t.Errorf("%s", out)
	}
}
