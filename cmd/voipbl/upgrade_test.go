package main

import (
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testns"
)

// TestUpgradeKeepsBans: before there were sets of bans, a ban was an entry of the list's
// set, and only that one was dropped. Whatever comes first after the upgrade, a banned
// address gets no packet through: not before, not after, and not while the ban moves.
func TestUpgradeKeepsBans(t *testing.T) {
	for _, backend := range []string{"nft", "legacy"} {
		t.Run(backend+" sync", func(t *testing.T) {
			t.Parallel()
			testUpgrade(t, backend, func(h *host) { h.must("voipbl", "--config", h.drop, "sync") })
		})
		t.Run(backend+" run", func(t *testing.T) {
			t.Parallel()
			testUpgrade(t, backend, func(h *host) {
				r := h.startAgent(h.drop)
				r.told("READY=1", time.Minute)
				r.end(syscall.SIGTERM)
			})
		})
	}
}

// upgrades is how often a test goes back and makes the upgrade again.
const upgrades = 10

// An upgradeSide is one family: what was banned before the upgrade, and what is clean.
type upgradeSide struct {
	tool, inet           string
	list, bans           string // the sets
	listed               string
	host, banned, friend netip.Addr
}

var upgradeSides = []upgradeSide{
	{"iptables", "inet", "voip_bl", "voip_ban", "5.5.5.5", addrs("81.2.69.142")[0], addrs("9.9.9.1")[0], addrs("20.0.0.7")[0]},
	{"ip6tables", "inet6", "voip_bl6", "voip_ban6", "2a00:5::5", addrs("2a00:81::2")[0], addrs("2a00:9::1")[0], addrs("2a00:20::7")[0]},
}

func testUpgrade(t *testing.T, backend string, upgrade func(h *host)) {
	var hosts, peers []netip.Addr
	for _, s := range upgradeSides {
		hosts, peers = append(hosts, s.host), append(peers, s.banned, s.friend)
	}
	pair := testns.EnterPair(t, hosts, peers)
	h := hostHere(t, backend)
	f := h.openUpgradeFire(pair)
	for _, s := range upgradeSides {
		for _, entry := range []string{s.listed, s.banned.String()} {
			h.must("ipset", "-exist", "create", s.list, "hash:net", "family", s.inet, "counters")
			h.must("ipset", "add", s.list, entry)
		}
		h.must(s.tool+"-"+backend, append([]string{"-I", "INPUT"}, dropsSet(s.list, "blocked")...)...)
	}
	h.beforeBanSets()
	f.begin(t)
	during := 0
	for round := range upgrades {
		if round > 0 {
			h.backToBeforeBanSets()
		}
		begun := f.sent.Load()
		upgrade(h)
		during += int(f.sent.Load() - begun)
		rules := h.rules()
		for _, s := range upgradeSides {
			if got, want := h.members(s.list), []string{s.listed}; !slices.Equal(got, want) {
				t.Errorf("%s has %v after the upgrade, not %v", s.list, got, want)
			}
			if got, want := h.members(s.bans), []string{s.banned.String()}; !slices.Equal(got, want) {
				t.Errorf("%s has %v after the upgrade, not %v", s.bans, got, want)
			}
			for _, set := range []string{s.list, s.bans} {
				if strings.Count(rules, "-A INPUT -m set --match-set "+set+" src ") != 1 {
					t.Errorf("%s is not dropped by one rule after the upgrade:\n%s", set, rules)
				}
			}
		}
		if t.Failed() {
			break
		}
	}
	f.end()
	t.Logf("%d packets of banned addresses, %d of them during %d upgrades; %d questions of clean ones answered", f.sent.Load(), during, upgrades, f.answered)
	if during < upgrades || f.answered < upgrades {
		t.Error("too few to show anything")
	}
	if f.lost > 0 {
		t.Errorf("%d questions of clean addresses had no answer", f.lost)
	}
	for _, s := range upgradeSides {
		if n := f.received(s.banned); n > 0 {
			t.Errorf("%d packets of the banned address %s came in", n, s.banned)
		}
	}
}

// dropsSet is the rule that drops a set, as each version has written it.
func dropsSet(set, what string) []string {
	return []string{"-m", "set", "--match-set", set, "src", "-m", "comment", "--comment", "voipbl: drop what comes from " + what + " addresses", "-j", "DROP"}
}

// beforeBanSets leaves on disk what a version without sets of bans does.
func (h *host) beforeBanSets() {
	h.t.Helper()
	type ban struct {
		Prefix netip.Prefix `json:"prefix"`
		At     time.Time    `json:"at"`
		Until  time.Time    `json:"until,omitzero"`
		Reason string       `json:"reason,omitempty"`
	}
	var bans []ban
	var list []string
	now := time.Now().Truncate(time.Second)
	for i, s := range upgradeSides {
		b := ban{Prefix: netip.PrefixFrom(s.banned, s.banned.BitLen()), At: now, Reason: "from before"}
		if i > 0 {
			b.Until = now.Add(24 * time.Hour)
		}
		bans, list = append(bans, b), append(list, s.listed)
	}
	text, err := json.Marshal(map[string]any{"serial": now.UnixNano(), "bans": bans})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, folder := range []string{"state", "run"} {
		dir := filepath.Join(h.dir, folder)
		if err := os.RemoveAll(dir); err != nil {
			h.t.Fatal(err)
		}
		if err := os.Mkdir(dir, 0o750); err != nil {
			h.t.Fatal(err)
		}
	}
	writeFile(h.t, filepath.Join(h.dir, "state", "bans.json"), string(text))
	writeFile(h.t, filepath.Join(h.dir, "list"), strings.Join(list, "\n")+"\n")
}

// backToBeforeBanSets undoes the upgrade, also without a moment in which a banned
// address is free.
func (h *host) backToBeforeBanSets() {
	h.t.Helper()
	for _, s := range upgradeSides {
		h.must("ipset", "add", s.list, s.banned.String())
		h.must(s.tool+"-"+h.backend, append([]string{"-D", "INPUT"}, dropsSet(s.bans, "banned")...)...)
		h.must("ipset", "destroy", s.bans)
	}
	h.beforeBanSets()
}

// upgradeFire is what comes from outside meanwhile: packets of banned addresses, as many
// as go, and questions of clean ones.
type upgradeFire struct {
	stop           atomic.Bool
	done           sync.WaitGroup
	sent           atomic.Int64 // by banned ones
	answered, lost int          // questions of clean ones; to be read after the end

	banned, friends []*net.UDPConn

	mu   sync.Mutex
	came map[netip.Addr]int
}

// openUpgradeFire opens all sockets, and sees that every one is answered while nothing is
// dropped.
func (h *host) openUpgradeFire(pair *testns.Pair) *upgradeFire {
	h.t.Helper()
	f := &upgradeFire{came: make(map[netip.Addr]int)}
	wire, err := net.InterfaceByName("wire0")
	if err != nil {
		h.t.Fatal(err)
	}
	for _, s := range upgradeSides {
		to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(s.host, 5060))
		server, err := net.ListenUDP("udp", to)
		if err != nil {
			h.t.Fatal(err)
		}
		h.t.Cleanup(func() { server.Close() })
		go f.answer(server)
		dial := func(from netip.Addr) *net.UDPConn {
			conn, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), to)
			if err != nil {
				h.t.Fatal(err)
			}
			h.t.Cleanup(func() { conn.Close() })
			f.ask(conn)
			return conn
		}
		pair.Outside(func() {
			// Known for good: a banned address that has to ask for it has no answer.
			h.must("ip", "neigh", "replace", s.host.String(), "lladdr", wire.HardwareAddr.String(), "dev", wire.Name, "nud", "permanent")
			f.banned, f.friends = append(f.banned, dial(s.banned)), append(f.friends, dial(s.friend))
		})
	}
	if f.lost > 0 {
		h.t.Fatalf("%d of %d have no answer before anything is dropped", f.lost, f.lost+f.answered)
	}
	return f
}

// begin forgets what came in until now, and sends.
func (f *upgradeFire) begin(t *testing.T) {
	f.mu.Lock()
	clear(f.came)
	f.mu.Unlock()
	f.send(100*time.Microsecond, func() {
		for _, c := range f.banned {
			if _, err := c.Write([]byte("banned")); err == nil {
				f.sent.Add(1)
			}
		}
	})
	f.send(5*time.Millisecond, func() {
		for _, c := range f.friends {
			f.ask(c)
		}
	})
	t.Cleanup(func() { f.stop.Store(true); f.done.Wait() })
}

// send sends until the end, at a pace, for the processors are few.
func (f *upgradeFire) send(pace time.Duration, once func()) {
	f.done.Go(func() {
		ticks := time.NewTicker(pace)
		defer ticks.Stop()
		for !f.stop.Load() {
			<-ticks.C
			once()
		}
	})
}

// answer counts and answers what comes in.
func (f *upgradeFire) answer(server *net.UDPConn) {
	buf := make([]byte, 64)
	for {
		n, from, err := server.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		f.mu.Lock()
		f.came[from.Addr().Unmap()]++
		f.mu.Unlock()
		server.WriteToUDPAddrPort(buf[:n], from) // if it is lost, ask will tell
	}
}

// ask sends a question, one at a time, so that no full buffer loses the answer.
func (f *upgradeFire) ask(c *net.UDPConn) {
	c.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := c.Write([]byte("clean")); err != nil {
		f.lost++
	} else if _, err := c.Read(make([]byte, 64)); err != nil {
		f.lost++
	} else {
		f.answered++
	}
}

// end returns when the last packet is sent, and all that came in are counted: a last
// question stands in the queue behind them.
func (f *upgradeFire) end() {
	f.stop.Store(true)
	f.done.Wait()
	for _, c := range f.friends {
		f.ask(c)
	}
}

func (f *upgradeFire) received(from netip.Addr) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.came[from]
}
