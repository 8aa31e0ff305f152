package known

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/internal/deadline"
)

func (t Trunks) words() (all []string) {
	for _, trunk := range t.All {
		all = append(all, fmt.Sprint(trunk.Host, " ", trunk.Account, " ", trunk.Left.Round(time.Hour), " ", trunk.Addrs))
	}
	return all
}

func hosts(all ...string) (seen []SeenTrunk) {
	for _, h := range all {
		seen = append(seen, SeenTrunk{Host: h, Account: "me"})
	}
	return seen
}

// TestTrunkHosts: what can be a trunk, and in which spelling.
func TestTrunkHosts(t *testing.T) {
	for in, want := range map[string]string{
		"9.9.9.9": "9.9.9.9", "2A00::0:1": "2a00::1", "::ffff:9.9.9.9": "9.9.9.9", "Sip.Example.COM.": "sip.example.com", "10.0.0.1": "10.0.0.1",
		"127.0.0.1": "", "::1": "", "0.0.0.0": "", "224.0.0.1": "", "fe80::1": "", "fe80::1%eth0": "", "localhost": "", "LOCALHOST.": "",
		"9.9.9.0/24": "", "0.0.0.0/0": "", "::/0": "", "9.9.9.9/32": "9.9.9.9", "a b": "", "a\nb.example": "", "": "", ".": "", "300.1.1.1": "",
		"_sip._udp.example": "", "x.example:5060": "", "\xff.example": "", strings.Repeat("a.", 40) + "example": "",
	} {
		got, ok := SeenTrunk{Host: in}.host()
		if !ok {
			got = ""
		}
		if got != want {
			t.Errorf("%q: %q, not %q", in, got, want)
		}
	}
	if _, ok := (SeenTrunk{Host: "9.9.9.9", Account: "a\x1b"}).host(); ok {
		t.Error("an account that cannot be shown")
	}
}

// TestTrunks: how a list changes.
func TestTrunks(t *testing.T) {
	now := func(h time.Duration) deadline.Clock { return at("one", h*time.Hour, 0) }
	is := func(what string, l Trunks, changed, want bool, words ...string) {
		t.Helper()
		if diff := cmp.Diff(words, l.words()); diff != "" || changed != want {
			t.Errorf("%s: changed %v: %s", what, changed, diff)
		}
	}
	l, changed := Trunks{}.with(hosts("b.example", "127.0.0.1", "9.9.9.9"), now(0))
	is("seen", l, changed, true, "9.9.9.9 me 168h0m0s [9.9.9.9]", "b.example me 168h0m0s []")
	l, changed = l.at(map[string][]netip.Addr{"b.example": {netip.MustParseAddr("8.8.8.8")}, "9.9.9.9": {netip.MustParseAddr("7.7.7.7")}, "c.example": nil})
	is("resolved", l, changed, true, "9.9.9.9 me 168h0m0s [9.9.9.9]", "b.example me 168h0m0s [8.8.8.8]")
	l, changed = l.at(map[string][]netip.Addr{"b.example": {}})
	is("not resolved", l, changed, false, "9.9.9.9 me 168h0m0s [9.9.9.9]", "b.example me 168h0m0s [8.8.8.8]")
	l, changed = l.with(hosts("B.example"), now(2))
	is("seen again", l, changed, false, "9.9.9.9 me 166h0m0s [9.9.9.9]", "b.example me 168h0m0s [8.8.8.8]")
	if since := l.All[1].Since; !since.Equal(now(0).Wall.Truncate(time.Second)) {
		t.Errorf("since %v", since)
	}
	for i, ago := range []time.Duration{2 * time.Hour, 0} { // its clock stands still
		if last, want := l.All[i].Last(l.Written), l.Written.Wall.Add(-ago).Truncate(time.Second); !last.Equal(want) {
			t.Errorf("%s: last %v, not %v", l.All[i].Host, last, want)
		}
		if row, last := l.Rows()[i], l.All[i].Last(l.Written); row.Host != l.All[i].Host || !row.Last.Equal(last) || !row.Trusted.Equal(last.Add(trunkGrace)) {
			t.Errorf("%+v", row)
		}
	}
	for n, most := range map[int]bool{MostTrunks: true, MostTrunks + 1: false} {
		if err := (TrunkRequest{make([]SeenTrunk, n)}).check(); (err == nil) != most {
			t.Errorf("%d trunks: %v", n, err)
		}
	}
	l, changed = l.with([]SeenTrunk{{Host: "b.example", Account: "other"}}, now(2))
	is("as another", l, changed, false, "9.9.9.9 me 166h0m0s [9.9.9.9]", "b.example other 168h0m0s [8.8.8.8]")
	is("a week later", l.At(now(2+166)), false, false, "b.example other 2h0m0s [8.8.8.8]")

	var many []string
	for i := range MostTrunks + 10 {
		many = append(many, fmt.Sprintf("x%03d.example", i))
	}
	l, _ = l.with(hosts(many[:MostTrunks-1]...), now(3))
	if len(l.All) != MostTrunks || l.All[0].Host != "b.example" {
		t.Errorf("%d, %q", len(l.All), l.words())
	}
	l, _ = l.with(hosts(many...), now(4))
	if len(l.All) != MostTrunks || !slices.IsSortedFunc(l.All, func(a, b Trunk) int { return strings.Compare(a.Host, b.Host) }) || l.All[0].Host != many[0] {
		t.Errorf("%d, %q", len(l.All), l.words())
	}
	if again, err := l.encode().decode(); err != nil || !again.same(l) {
		t.Errorf("%v", err)
	}
	f := l.encode()
	f.All[0].Addrs = []netip.Addr{netip.MustParseAddr("6.6.6.6")}
	if _, err := f.decode(); err == nil {
		t.Error("a file that has changed is read")
	}
}

// TestTrunksOfTheHost: what the agent is told of trunks is kept, and in the kernel.
func TestTrunksOfTheHost(t *testing.T) {
	h := newHost(t)
	changed := 0
	s := &Server{Cfg: h.config, Trunks: func() { changed++ }}
	tell := func(want int, body string) {
		t.Helper()
		w := h.posted(s.ServeTrunks, body)
		if w.Code != want || want == http.StatusOK && strings.TrimSpace(w.Body.String()) != "{}" {
			t.Errorf("%s: %d: %s", body, w.Code, w.Body)
		}
	}
	h.register("203.0.113.7", "6001", time.Hour)
	tell(http.StatusOK, `{"trunks": [{"host": "9.9.9.9", "account": "me"}, {"host": "b.example"}, {"host": "127.0.0.1"}]}`)
	tell(http.StatusOK, `{"trunks": [{"host": "9.9.9.9", "account": "me"}]}`)
	tell(http.StatusBadRequest, `{"trunks": 1}`)
	tell(http.StatusBadRequest, `{"trunks": [`+strings.Repeat(`{"host": "9.9.9.9"},`, MostTrunks)+`{"host": "9.9.9.9"}]}`)
	if changed != 1 {
		t.Errorf("changed %d times", changed)
	}
	h.wants("told", "203.0.113.7", "203.0.113.7 9.9.9.9")
	addrs := map[string][]netip.Addr{"b.example": {netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("2a00::8")}}
	for _, want := range []bool{true, false} {
		if got, err := Resolved(t.Context(), h.cfg, addrs, time.Second); got != want || err != nil {
			t.Errorf("%v, %v", got, err)
		}
	}
	all := "203.0.113.7 2a00::8 8.8.8.8 9.9.9.9"
	h.wants("resolved", "203.0.113.7", all)
	h.ipset("flush", "voip_known")
	h.settle()
	h.wants("repaired", "203.0.113.7", all)
	for _, lost := range []string{h.cfg.RunDir, h.cfg.StateDir} {
		if err := os.Remove(lost + "/" + TrunksFile + ".json"); err != nil {
			t.Fatal(err)
		}
		if l := ReadTrunks(h.cfg); len(l.All) != 2 || len(l.All[1].Addrs) != 2 {
			t.Errorf("without the copy in %s: %+v", lost, l)
		}
		tell(http.StatusOK, `{"trunks": [{"host": "b.example"}]}`)
	}
	if changed != 1 {
		t.Errorf("changed %d times", changed)
	}
	for n, damaged := range []string{h.cfg.RunDir, h.cfg.StateDir} {
		if err := os.WriteFile(damaged+"/"+TrunksFile+".json", []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		if l, err := FindTrunks(h.cfg); len(l.All) != 2*(1-n) || (err != nil) != (n == 1) {
			t.Errorf("%+v, %v", l, err)
		}
	}
	tell(http.StatusOK, `{"trunks": [{"host": "9.9.9.9", "account": "me"}, {"host": "b.example"}]}`)
	if _, err := Resolved(t.Context(), h.cfg, addrs, time.Second); err != nil || changed != 2 {
		t.Errorf("%v, changed %d times", err, changed)
	}
	if _, err := Forget(t.Context(), h.cfg, "test", []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")}, time.Second); err != nil {
		t.Error(err)
	}
	h.wants("a phone is banned", "", "2a00::8 8.8.8.8 9.9.9.9")

	// What is not in the kernel is known all the same. What cannot be written is not, and each folder is
	// named once.
	h.ipset("flush", "voip_known")
	h.ipset("destroy", "voip_known")
	h.ipset("create", "voip_known", "hash:ip", "timeout", "0") // somebody else's
	answered := func(body string, undone bool, times int, wrong ...string) {
		t.Helper()
		var a TrunkAnswer
		if err := json.Unmarshal(h.posted(s.ServeTrunks, body).Body.Bytes(), &a); err != nil || a.Undone != undone || changed != times {
			t.Errorf("%v, %+v, changed %d times", err, a, changed)
		}
		for _, text := range wrong {
			if strings.Count(a.Problem, text) != 1 {
				t.Errorf("%q is not in it once: %s", text, a.Problem)
			}
		}
	}
	answered(`{"trunks": [{"host": "9.9.9.8"}]}`, false, 3, "voip_known is not one that voipbl made")
	answered(`{"trunks": [{"host": "9.9.9.8"}]}`, false, 3)
	for _, dir := range dirs(h.cfg) {
		if err := errors.Join(os.Remove(dir+"/"+TrunksFile+".json"), os.MkdirAll(dir+"/"+TrunksFile+".json/full", 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	answered(`{"trunks": [{"host": "9.9.9.7"}]}`, true, 3, h.cfg.RunDir, h.cfg.StateDir)

	h.cfg.PBX.TrustRegistered = false
	tell(http.StatusConflict, `{"trunks": [{"host": "9.9.9.9"}]}`)
	if l := ReadTrunks(h.cfg); len(l.All) != 0 {
		t.Errorf("%+v", l)
	}
}
