package agent

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/testns"
)

// TestBansSpare: whoever is logged in, as whoever asks knows, stays free when a network
// around is banned, and when one of several bans of it is taken back.
func TestBansSpare(t *testing.T) {
	testns.Enter(t)
	cfg := config.Default()
	cfg.StateDir, cfg.RunDir = filepath.Join(t.TempDir(), "state"), filepath.Join(t.TempDir(), "run")
	s := newBanServer(func() config.Config { return cfg }, &banBook{cfg: cfg})
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
}

// TestBansRefused: what comes over the socket and can be no ban neither ends the agent nor
// gets into the list, where no reader would understand it.
func TestBansRefused(t *testing.T) {
	s := newBanServer(nil, nil)
	for _, body := range []string{
		``, `{`, `{"add":[{}]}`, `{"add":[{"prefix":""}]}`, `{"add":[{"prefix":"0.0.0.0/0"}]}`, `{"add":[{"prefix":"::/0"}]}`,
		`{"add":[{"prefix":"5.9.0.9/32","for":-5}]}`, `{"add":[{"prefix":"2a00::/64","address":"::/0"}]}`,
		`{"spared":[""]}`, `{"remove":{"prefixes":[""]}}`, `{"remove":{"prefixes":["5.9.0.9/32","0.0.0.0/0"]}}`,
	} {
		w := httptest.NewRecorder()
		s.serve(w, httptest.NewRequest(http.MethodPost, bansPath, strings.NewReader(body)))
		if w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", body, w.Code)
		}
		if len(s.asks) > 0 {
			t.Fatalf("%s is asked for", body)
		}
	}
}
