package bans

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/state"
)

// TestBansSpare: the peer of a login session that the caller reports stays free when a network
// around it is banned, and when one of several bans of that network is removed.
func TestBansSpare(t *testing.T) {
	testns.Enter(t)
	cfg := testvalue.Defaults(t)
	news := NewNews(time.Now())
	start, _ := news.Since(0)
	s := NewServer(func() config.Config { return cfg }, &Book{Cfg: cfg, News: news})
	defer s.disconnect()
	network, admin := netip.MustParsePrefix("8.8.8.0/24"), []netip.Prefix{netip.MustParsePrefix("8.8.8.7/32")}
	for _, r := range []banRequest{
		{Spared: admin, Add: []banWish{{Prefix: network, Reason: "a"}, {Prefix: network, Reason: "b", For: time.Hour}}},
		{Spared: admin, Remove: &banRemoval{Prefixes: []netip.Prefix{network}, Reason: "a"}},
	} {
		answers, err := s.answers(t.Context(), []banAsk{{request: r}})
		if err != nil || answers[0].Kernel != nil || len(answers[0].Changed) == 0 {
			t.Fatalf("%v: %+v", err, answers)
		}
		live, _, err := s.kernel.OwnBans(cfg.BanSet)
		if err != nil {
			t.Fatal(err)
		}
		set := cidr.SetOf(live.Prefixes...)
		if set.Overlaps(cidr.FromNetip(admin[0])) || !set.Contains(cidr.MustParsePrefix("8.8.8.6")) {
			t.Errorf("%+v: the set has %v", r, live.Prefixes)
		}
	}
	if b, _ := news.Since(start.Next); b.Missed || !slices.Equal(b.Banned, []netip.Prefix{network, network}) {
		t.Errorf("news: %+v", b)
	}
	other := &Book{Cfg: cfg} // a command that the agent does not answer in time
	other.refresh(state.Clock(), func() [2]ipsetsync.Timed { return [2]ipsetsync.Timed{} })
	other.settle(s.kernel, []banRequest{{Add: []banWish{{Prefix: netip.MustParsePrefix("8.8.9.0/24")}}}}, cidr.NeverBanned, state.Clock())
	if _, _, err := s.book.Sync(t.Context(), cfg, s.kernel, cidr.NeverBanned, "voipbl run", time.Second, false); err != nil {
		t.Fatal(err)
	}
	if b, _ := news.Since(start.Next); !b.Missed {
		t.Errorf("news of others' bans: %+v", b)
	}
}

// TestSessionStaysSpared: if an address was cut out of a ban because of a session that the
// agent cannot see, the next check of the bans does not cut it off while its connection lasts.
func TestSessionStaysSpared(t *testing.T) {
	for _, addrs := range [][2]string{{"8.8.8.1", "8.8.8.7"}, {"2a00:8::1", "2a00:8::7"}} {
		t.Run(addrs[1], func(t *testing.T) {
			here, there := netip.MustParseAddr(addrs[0]), netip.MustParseAddr(addrs[1])
			pair := testns.EnterPair(t, []netip.Addr{here}, []netip.Addr{there})
			cfg := testvalue.Defaults(t)
			s := NewServer(func() config.Config { return cfg }, &Book{Cfg: cfg, Strangers: make(map[cidr.Prefix]time.Duration)})
			defer s.disconnect()
			listener, err := net.Listen("tcp", netip.AddrPortFrom(here, 22).String())
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			var client net.Conn
			pair.Outside(func() { client, err = net.DialTimeout("tcp", listener.Addr().String(), 10*time.Second) })
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			conn, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()

			network, admin := netip.PrefixFrom(there, there.BitLen()-8).Masked(), exempt.HostsOf([]netip.Addr{there})
			answers, err := s.answers(t.Context(), []banAsk{{request: banRequest{Spared: admin, Sessions: admin, Add: []banWish{{Prefix: network}}}}})
			if err != nil || answers[0].Kernel != nil {
				t.Fatalf("%v: %+v", err, answers)
			}
			blocked := func() bool {
				t.Helper()
				found, _, err := s.book.Sync(t.Context(), cfg, s.kernel, cidr.NeverBanned, "voipbl run", time.Second, false)
				if err != nil || len(found) > 0 {
					t.Errorf("the next look finds %q, %v", found, err)
				}
				live, _, err := s.kernel.OwnBans(cfg.BanSetName(int(cidr.FromNetip(network).Family())))
				if err != nil {
					t.Fatal(err)
				}
				return cidr.SetOf(live.Prefixes...).Overlaps(cidr.FromNetip(admin[0]))
			}
			if blocked() {
				t.Error("who is logged in is cut off")
			}
			conn.Close()
			if !blocked() {
				t.Error("the address stays spared after the session")
			}
		})
	}
}

// TestBansRefused: a request over the socket that cannot be a ban does not crash the agent,
// and does not get into the list, which could not be read afterwards.
func TestBansRefused(t *testing.T) {
	s := NewServer(nil, nil)
	for _, body := range []string{
		``, `{`, `{"add":[{}]}`, `{"add":[{"prefix":""}]}`, `{"add":[{"prefix":"0.0.0.0/0"}]}`, `{"add":[{"prefix":"::/0"}]}`,
		`{"add":[{"prefix":"5.9.0.9/32","for":-5}]}`, `{"add":[{"prefix":"2a00::/64","address":"::/0"}]}`,
		`{"spared":[""]}`, `{"remove":{"prefixes":[""]}}`, `{"remove":{"prefixes":["5.9.0.9/32","0.0.0.0/0"]}}`,
	} {
		w := httptest.NewRecorder()
		s.Serve(w, httptest.NewRequest(http.MethodPost, Path, strings.NewReader(body)))
		if w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", body, w.Code)
		}
		if len(s.asks) > 0 {
			t.Fatalf("%s is asked for", body)
		}
	}
}
