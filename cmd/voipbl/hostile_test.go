package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testshare"
	"github.com/voipbl/voipbl/internal/testskip"
)

// The host of these tests is a PBX with a public address, a LAN in private and one in public space,
// trunks, gateways, a resolver and an admin at work. All public addresses here are exempt only by
// their role, not because they are special-purpose space.
var (
	hostAddrs = addrs("81.2.69.142 192.168.77.1 2a02:26f0::142")
	gateways  = addrs("81.2.69.1 2a02:26f0::1")
	resolver  = netip.MustParseAddr("149.112.112.112")
	trunks    = addrs("198.41.0.4 2620:fe::9")
	allowed   = netip.MustParseAddr("91.198.174.192")
	admin     = netip.MustParseAddr("84.17.46.5")
	lans      = prefixes("192.168.77.0/24 62.94.7.0/24")
	phones    = addrs("192.168.77.20 62.94.7.20")

	// friends are the protected addresses that packets come from.
	friends = slices.Concat(phones, trunks, gateways, []netip.Addr{allowed, resolver, admin})
	// shielded is everything that is protected.
	shielded = slices.Concat(lans, singles(hostAddrs), singles(friends))
)

// special is the special-purpose space of RFC 6890 and its registries, and all
// of IPv6 that is not global unicast.
var special = prefixes(`0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12
	192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24
	224.0.0.0/4 240.0.0.0/4 ::/3 4000::/2 8000::/1 2001::/23 2001:db8::/32 2002::/16 3fff::/20`)

const (
	goodList = "5.5.5.5\n6.6.6.0/24\n7.7.7.7\n2a00:1:2::/48\n"
	goodSize = 4

	hostileConfig = `state_dir: %[1]s/%[2]s/state
run_dir: %[1]s/%[2]s/run
allow: [91.198.174.192]
limits: {timeout: 5s, max_bytes: 8MiB}
firewall:
  local_networks: [192.168.77.0/24, 62.94.7.0/24]
  trunks: [198.41.0.4, "2620:fe::9"]
feeds:
  - %[3]s
`
)

var goodBlocked = prefixes("5.5.5.5 2a00:1:2::1")

// TestHostileFeeds gives the program every feed of testdata/feeds/hostile, as
// the answer of a URL and, one in three, as a local file, each after a good list. What the
// kernel holds then is compared with a slow reading of the same feed, the
// report with what the case wants, and packets show who still gets through.
func TestHostileFeeds(t *testing.T) {
	testskip.UnlessRoot(t)
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "feeds", "hostile", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			h := newHostileHost(t, readHostile(t, file))
			h.run("url", h.feed.url)
			if testshare.Takes(t, 3) {
				h.run("path", h.feed.path)
			}
			if left, err := os.ReadDir(h.work); err != nil || len(left) > 0 {
				t.Errorf("left in the working directory: %v, %v", left, err)
			}
		})
	}
}

// hostileHost is a PBX host that is given one hostile feed.
type hostileHost struct {
	t      *testing.T
	feed   hostileFeed
	dir    string // of configuration, state and what is served
	work   string // where the program runs; nothing may appear in it
	server *feedServer
	pair   *testns.Pair
	socket *net.UDPConn
	rules  bool
}

func newHostileHost(t *testing.T, feed hostileFeed) *hostileHost {
	h := &hostileHost{t: t, feed: feed, dir: t.TempDir(), work: t.TempDir()}
	h.pair = testns.EnterPair(t, hostAddrs, h.senders())
	for _, gw := range gateways {
		h.do("ip", "route", "add", "default", "via", gw.String())
	}
	h.setResolver()
	var err error
	if h.server, err = startFeedServer(h.dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.server.close)
	if h.socket, err = net.ListenUDP("udp", &net.UDPAddr{Port: 5060}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.socket.Close() })
	h.config("url", fmt.Sprintf(`{name: list, url: "http://127.0.0.1:8080/list", insecure: true, min_entries: %d, max_coverage: 5%%}`, max(1, feed.minEntries)))
	h.config("path", fmt.Sprintf("{name: list, path: %s}", filepath.Join(h.dir, "path", "list")))
	// Both sides learn each other's link addresses while nothing is dropped.
	if err := h.exchange(nil, friends); err != nil {
		t.Fatal(err)
	}
	logInFrom(t, h.pair, netip.AddrPortFrom(hostAddrs[0], 22), admin)
	return h
}

// senders are the addresses of the other side, each once.
func (h *hostileHost) senders() []netip.Addr {
	list := slices.Clone(friends)
	for _, p := range slices.Concat(goodBlocked, h.feed.blocked, h.feed.free) {
		if !slices.Contains(hostAddrs, p.Addr()) && !slices.ContainsFunc(special, p.Overlaps) {
			list = append(list, p.Addr())
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list)
}

// setResolver gives this thread, and what it starts, a resolv.conf of its own,
// so that the outcome does not depend on the machine's.
func (h *hostileHost) setResolver() {
	file := filepath.Join(h.dir, "resolv.conf")
	writeFile(h.t, file, "nameserver "+resolver.String()+"\n")
	err := unix.Unshare(unix.CLONE_NEWNS)
	if err == nil {
		err = unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	}
	for i, name := range []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"} {
		if err == nil {
			err = unix.Mount(file, name, "", unix.MS_BIND, "")
		}
		if i > 0 && errors.Is(err, unix.ENOENT) { // no systemd-resolved here
			err = nil
		}
	}
	if err != nil {
		h.t.Fatal("a resolv.conf of the test's own: ", err)
	}
}

func (h *hostileHost) config(kind, feed string) {
	if err := os.Mkdir(filepath.Join(h.dir, kind), 0o755); err != nil {
		h.t.Fatal(err)
	}
	writeFile(h.t, h.configFile(kind), fmt.Sprintf(hostileConfig, h.dir, kind, feed))
}

func (h *hostileHost) configFile(kind string) string {
	return filepath.Join(h.dir, kind, "voipbl.yaml")
}

// run syncs the good list and then the hostile one, which must end in state.
func (h *hostileHost) run(kind, state string) {
	h.offer(kind, []byte(goodList))
	if report, code := h.sync(kind); code != exit.OK {
		h.t.Fatalf("%s: the good list: exit %d: %+v", kind, code, report.Feeds)
	}
	if !h.rules {
		h.do("iptables-nft", "-A", "INPUT", "-m", "set", "--match-set", "voip_bl", "src", "-j", "DROP")
		h.do("ip6tables-nft", "-A", "INPUT", "-m", "set", "--match-set", "voip_bl6", "src", "-j", "DROP")
		h.rules = true
	}
	h.offer(kind, h.feed.body)
	var how []string
	if h.feed.heldFirst != "" && kind == "url" {
		report, code := h.sync(kind)
		if p := report.Feeds[0].Problem; code != exit.Stale || report.Feeds[0].State != feeds.Held || p == nil || p.Reason != h.feed.heldFirst {
			h.t.Errorf("%s: exit %d, %+v; want it held first: %s", kind, code, report.Feeds[0], h.feed.heldFirst)
		}
		how = append(how, "--force")
	}
	report, code := h.sync(kind, how...)
	h.checkReport(kind, state, report, code)

	list, blocked, free := []byte(goodList), goodBlocked, []netip.Prefix(nil)
	if state == "fresh" {
		list, blocked, free = h.feed.body, h.feed.blocked, h.feed.free
	}
	h.checkKernel(kind, list, blocked, free, report)
	h.checkPackets(kind, blocked, free)
	h.checkWords(kind, code, blocked)
}

// offer makes a body what the feed says from now on.
func (h *hostileHost) offer(kind string, body []byte) {
	file := filepath.Join(h.dir, kind, "list")
	writeFile(h.t, file, string(body))
	h.server.set("list", behaviour{"ok", file})
}

func (h *hostileHost) sync(kind string, how ...string) (blocklist.SyncReport, int) {
	out, code := h.voipbl(kind, append([]string{"sync", "--json"}, how...)...)
	var report blocklist.SyncReport
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&report); err != nil || len(report.Feeds) != 1 {
		h.t.Fatalf("%s: %v: %s", kind, err, out)
	}
	return report, code
}

// voipbl runs the program and returns all it says, first stdout.
func (h *hostileHost) voipbl(kind string, args ...string) (string, int) {
	cmd := exec.Command("voipbl", append([]string{"--config", h.configFile(kind)}, args...)...)
	cmd.Dir = h.work
	cmd.Env = append(os.Environ(), "NO_COLOR=1")
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		h.t.Fatal(err)
	}
	return out.String() + stderr.String(), cmd.ProcessState.ExitCode()
}

func (h *hostileHost) do(name string, args ...string) string {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		h.t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// addrs reads addresses with spaces between them.
func addrs(list string) (found []netip.Addr) {
	for _, word := range strings.Fields(list) {
		found = append(found, netip.MustParseAddr(word))
	}
	return found
}

// prefixes reads addresses and prefixes with spaces between them.
func prefixes(list string) (found []netip.Prefix) {
	for _, word := range strings.Fields(list) {
		if strings.Contains(word, "/") {
			found = append(found, netip.MustParsePrefix(word))
		} else {
			found = append(found, singles(addrs(word))...)
		}
	}
	return found
}

func singles(list []netip.Addr) (found []netip.Prefix) {
	for _, a := range list {
		found = append(found, netip.PrefixFrom(a, a.BitLen()))
	}
	return found
}
