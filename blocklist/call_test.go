package blocklist

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/impact"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/internal/testvalue"
)

// wireTo is a PBX host's media port of each family, and sockets of others who send to it.
type wireTo struct {
	t     *testing.T
	here  [2]*net.UDPConn
	there map[netip.Addr]*net.UDPConn
}

func (w wireTo) send(from netip.Addr, text string) {
	w.t.Helper()
	to := w.here[cidr.FromNetip(netip.PrefixFrom(from, from.BitLen())).Family()].LocalAddr().(*net.UDPAddr).AddrPort()
	if _, err := w.there[from].WriteToUDPAddrPort([]byte(text), to); err != nil {
		w.t.Fatal(err)
	}
}

// reaches reports whether a packet reaches the host: one of a friend, sent after it, does in any case.
func (w wireTo) reaches(from, friend netip.Addr) bool {
	w.t.Helper()
	w.send(from, "is it let in?")
	w.send(friend, "the last one")
	got := make([]byte, 100)
	for came := false; ; came = true {
		n, _, err := w.here[cidr.FromNetip(netip.PrefixFrom(from, from.BitLen())).Family()].ReadFromUDPAddrPort(got)
		if err != nil {
			w.t.Fatal(err)
		}
		if string(got[:n]) == "the last one" {
			return came
		}
	}
}

// TestCallGoesOn: what becomes of a real call, of both families, with an address that a list gets; of one
// that has no call; and what of both when the call has ended.
func TestCallGoesOn(t *testing.T) {
	hosts := testvalue.Addrs("203.0.113.1", "2001:db8:1::1")
	callers, others, friends := testvalue.Addrs("45.0.0.1", "2a0a:1::1"), testvalue.Addrs("45.0.0.2", "2a0a:1::2"), testvalue.Addrs("46.0.0.1", "2a0b:1::1")
	for on, want := range map[string]struct{ caller, other bool }{ // who is let in after the sync
		"report": {false, false}, "protect": {true, false}, "hold": {true, true},
	} {
		t.Run(on, func(t *testing.T) {
			pair := testns.EnterPair(t, hosts, slices.Concat(callers, others, friends))
			for _, tool := range []string{"iptables-nft", "ip6tables-nft"} { // the kernel tracks flows where a rule wants to know them
				if out, err := exec.Command(tool, "-A", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT").CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
			}
			w := wireTo{t: t, there: make(map[netip.Addr]*net.UDPConn)}
			open := func(addr netip.Addr, port uint16) *net.UDPConn {
				conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, port)))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { conn.Close() })
				return conn
			}
			for f, host := range hosts {
				w.here[f] = open(host, 12000)
			}
			pair.Outside(func() {
				for _, a := range slices.Concat(callers, others, friends) {
					w.there[a] = open(a, 40000)
				}
			})
			dir := t.TempDir()
			list := filepath.Join(dir, "list")
			cfg := testvalue.Config(t, fmt.Sprintf("state_dir: %s/state\nrun_dir: %s/run\non_impact: %s\nfeeds:\n  - {name: mine, path: %s}\n", dir, dir, on, list))
			sync := func(text string) *SyncReport {
				t.Helper()
				if err := os.WriteFile(list, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				report, err := Sync(t.Context(), cfg, feeds.Options{})
				if err != nil {
					t.Fatal(err)
				}
				return report
			}
			sync("47.0.0.0/24\n2a0c::/32\n")

			// The calls: both sides send, until the kernel takes that for a call.
			if !testpoll.Until(time.Minute, func() bool {
				calls := 0
				for f, caller := range callers {
					if !w.reaches(caller, friends[f]) {
						t.Fatalf("%s is blocked before any list has it", caller)
					}
					if _, err := w.here[f].WriteToUDPAddrPort([]byte("voice"), netip.AddrPortFrom(caller, 40000)); err != nil {
						t.Fatal(err)
					}
					talking, _ := impact.Begin(cfg).Among(func(a netip.Addr) bool { return a == caller })
					for _, talker := range talking.First(1) {
						calls += len(talker.Flows)
					}
				}
				return calls == len(callers)
			}) {
				t.Fatal("the kernel knows no calls")
			}

			const both = "47.0.0.0/24\n2a0c::/32\n45.0.0.0/30\n2a0a:1::/64\n"
			report := sync(both)
			for f := range hosts {
				if got := w.reaches(callers[f], friends[f]); got != want.caller {
					t.Errorf("%s, who has a call, is let in: %v", callers[f], got)
				}
				if got := w.reaches(others[f], friends[f]); got != want.other {
					t.Errorf("%s, who has none, is let in: %v", others[f], got)
				}
			}
			if cut := report.Impact.Any(); cut != !want.caller || (report.Held != nil) != want.other || len(report.Spared) > 0 != (on == "protect") {
				t.Errorf("cut off %v, held %+v, spared %+v", cut, report.Held, report.Spared)
			}

			// The call ends.
			for f, caller := range callers {
				if err := testns.Untrack(false, netip.AddrPortFrom(caller, 40000), netip.AddrPortFrom(hosts[f], 12000)); err != nil {
					t.Fatal(err)
				}
			}
			if report = sync(both); report.Outcome != InForce {
				t.Errorf("after the call: %s", report.Outcome)
			}
			for f := range hosts {
				if w.reaches(callers[f], friends[f]) || w.reaches(others[f], friends[f]) {
					t.Errorf("after the call, %s or %s is let in", callers[f], others[f])
				}
			}
		})
	}
}
