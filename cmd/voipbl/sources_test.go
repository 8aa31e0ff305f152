package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testdns"
	"github.com/voipbl/voipbl/internal/testns"
)

// listHost is a host that a list of 20.0.0.0/24 comes from, whose servers are all in it.
type listHost struct {
	*testing.T
	pair   *testns.Pair
	dns    *testdns.Server
	dir    string
	config string
	env    []string
}

// The servers on the other side of the wire, each of which serves whatever is asked.
const (
	firstServer, cdnServer, bareServer, proxyServer, reportsServer, spareServer = "20.0.0.1", "20.0.0.2", "20.0.0.3", "20.0.0.4", "20.0.0.5", "20.0.0.6"
	bystanderOfList                                                             = "20.0.0.99"
)

func newListHost(t *testing.T) *listHost {
	h := &listHost{T: t, dir: t.TempDir()}
	servers := addrs(strings.Join([]string{firstServer, cdnServer, bareServer, proxyServer, reportsServer, spareServer}, " "))
	h.pair = testns.EnterPair(t, addrs("81.2.69.142"), servers)
	var err error
	if h.dns, err = testdns.Start("127.0.0.1:53"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.dns.Close)
	writeFile(t, filepath.Join(h.dir, "resolv.conf"), "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
	mux := http.NewServeMux()
	mux.HandleFunc("/list", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "20.0.0.0/24") })
	mux.HandleFunc("/to/", func(w http.ResponseWriter, r *http.Request) {
		hops := strings.Split(strings.TrimPrefix(r.URL.Path, "/to/"), "/")
		http.Redirect(w, r, "http://"+hops[0]+":8080/"+strings.Join(hops[1:], "/"), http.StatusFound)
	})
	mux.HandleFunc("/ban/", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Host, firstServer) {
			http.Redirect(w, r, "http://"+reportsServer+":8080/ban/?"+r.URL.RawQuery, http.StatusTemporaryRedirect)
		}
	})
	h.pair.Outside(func() {
		for _, at := range servers {
			l, err := net.Listen("tcp", netip.AddrPortFrom(at, 8080).String())
			if err != nil {
				t.Fatal(err)
			}
			server := &http.Server{Handler: mux}
			go server.Serve(l)
			t.Cleanup(func() { server.Close() })
		}
	})
	return h
}

// configure writes the configuration with a feed of that URL, and forgets all that was.
func (h *listHost) configure(url, more string) {
	h.Helper()
	if h.config != "" {
		h.run("remove")
	}
	dir, err := os.MkdirTemp(h.dir, "")
	if err != nil {
		h.Fatal(err)
	}
	h.config = filepath.Join(dir, "voipbl.yaml")
	writeFile(h.T, h.config, fmt.Sprintf("state_dir: %[1]s/state\nrun_dir: %[1]s/run\nfeeds: [{name: list, url: %[2]q, insecure: true}]\nlimits: {timeout: 5s}\n%[3]s", dir, url, more))
}

// run is try of what must succeed.
func (h *listHost) run(args ...string) string {
	h.Helper()
	out, err := h.try(args...)
	if err != nil {
		h.Fatalf("voipbl %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return out
}

func (h *listHost) must(name string, args ...string) {
	h.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		h.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
}

// try runs the program with the test's DNS server.
func (h *listHost) try(args ...string) (string, error) {
	script := fmt.Sprintf("mount --bind %s/resolv.conf /etc/resolv.conf && exec \"$@\"", h.dir)
	cmd := exec.Command("unshare", append([]string{"-m", "sh", "-c", script, "sh", "voipbl", "--config", h.config}, args...)...)
	cmd.Env = append(os.Environ(), h.env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// heal syncs until the list is read. Each try may learn of one more server that it was cut off from,
// and on a busy machine a try may end before it has got so far.
func (h *listHost) heal() {
	h.Helper()
	const tries = 8
	var out string
	for range tries {
		var err error
		if out, err = h.try("sync"); err == nil {
			return
		}
	}
	h.Fatalf("not healed after %d tries: %s", tries, out)
}

// expect syncs twice, the second time past the drop, and once without the network; then of
// the servers only those may be exempt, with that reason.
func (h *listHost) expect(want map[string]string) {
	h.Helper()
	h.run("sync")
	h.run("sync")
	h.check(want)
	h.run("sync", "--offline")
	h.check(want)
}

func (h *listHost) check(want map[string]string) {
	h.Helper()
	for _, addr := range []string{firstServer, cdnServer, bareServer, proxyServer, reportsServer, spareServer, bystanderOfList} {
		blocked := exec.Command("ipset", "test", "voip_bl", addr).Run() == nil
		cmd := exec.Command("voipbl", "--config", h.config, "exempt", "--json", addr)
		out, _ := cmd.Output()
		var answers []struct {
			Because []struct{ Reasons []string }
		}
		if err := json.Unmarshal(out, &answers); err != nil || len(answers) != 1 {
			h.Fatalf("%v: %s", err, out)
		}
		reasons := ""
		for _, because := range answers[0].Because {
			reasons += strings.Join(because.Reasons, "; ")
		}
		if reasons != want[addr] || blocked != (want[addr] == "") {
			h.Errorf("%s: blocked %v, exempt for %q, want %q", addr, blocked, reasons, want[addr])
		}
	}
}

// TestListNeverBlocksItsSource: what a list came from is exempt, wherever its URL has led,
// also while the list blocks everything around.
func TestListNeverBlocksItsSource(t *testing.T) {
	t.Parallel()
	h := newListHost(t)
	for _, record := range [][2]string{{"lists.example", firstServer}, {"cdn.example", cdnServer}, {"proxy.example", proxyServer}} {
		if err := h.dns.Set(record[0], "A", record[1]); err != nil {
			t.Fatal(err)
		}
	}

	h.configure("http://lists.example:8080/list", "")
	h.expect(map[string]string{firstServer: "source of feed list (lists.example)"})

	h.configure("http://lists.example:8080/to/cdn.example/to/"+bareServer+"/list", "")
	h.expect(map[string]string{
		firstServer: "source of feed list (lists.example)",
		cdnServer:   "source of feed list, redirect (cdn.example)",
		bareServer:  "source of feed list, redirect",
	})
	// What DNS says later is exempt too, though it was blocked until now, and what was
	// talked to stays.
	if err := h.dns.Set("cdn.example", "A", spareServer); err != nil {
		t.Fatal(err)
	}
	h.heal()
	h.expect(map[string]string{
		firstServer: "source of feed list (lists.example)",
		cdnServer:   "source of feed list, redirect (cdn.example)",
		spareServer: "source of feed list, redirect (cdn.example)",
		bareServer:  "source of feed list, redirect",
	})

	// But those who run the list cannot have any number of hosts exempt.
	many := []string{cdnServer}
	for i := range 40 {
		many = append(many, fmt.Sprintf("20.0.1.%d", i))
	}
	if err := h.dns.Set("cdn.example", "A", many...); err != nil {
		t.Fatal(err)
	}
	h.try("sync")
	exempt := 0
	for _, a := range many[1:] {
		if _, err := h.try("exempt", "--quiet", a); err == nil {
			exempt++
		}
	}
	if exempt == 0 || exempt > 8 {
		t.Errorf("%d hosts are exempt, since a redirect leads to their name", exempt)
	}
	if err := h.dns.Set("cdn.example", "A", spareServer); err != nil {
		t.Fatal(err)
	}

	// A host that the list has cut off from its source before, heals.
	h.configure("http://lists.example:8080/to/"+bareServer+"/to/cdn.example/list", "")
	for _, set := range []string{"-N voip_bl hash:net counters maxelem 1048576", "-A voip_bl " + bareServer, "-A voip_bl " + spareServer} {
		h.must("ipset", strings.Fields(set)...)
	}
	h.must("iptables", "-I", "INPUT", "-m", "set", "--match-set", "voip_bl", "src", "-j", "DROP")
	h.heal()
	h.expect(map[string]string{
		firstServer: "source of feed list (lists.example)",
		spareServer: "source of feed list, redirect (cdn.example)",
		bareServer:  "source of feed list, redirect",
	})

	h.must("iptables", "-D", "INPUT", "-m", "set", "--match-set", "voip_bl", "src", "-j", "DROP")

	// A proxy asks for the list, and its name is the only one that this host can resolve.
	h.dns.Forget("lists.example")
	h.env = []string{"HTTP_PROXY=http://proxy.example:8080"}
	h.configure("http://lists.example:8080/list", "")
	if out := h.run("sync"); strings.Contains(out, "no such host") {
		t.Errorf("told of a name that only the proxy has to know:\n%s", out)
	}
	h.expect(map[string]string{proxyServer: "source of feed list, proxy (proxy.example)"})

	// The server that takes reports redirects as well.
	h.env = nil
	h.configure("http://"+firstServer+":8080/list", "report: {enabled: true, url: \"http://"+firstServer+":8080\", insecure: true}\n")
	h.run("sync")
	h.run("report", "66.66.66.66")
	h.expect(map[string]string{
		firstServer:   "source of feed list; where attackers are reported",
		reportsServer: "where attackers are reported, redirect",
	})
}
