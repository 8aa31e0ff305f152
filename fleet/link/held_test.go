package link

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestEachHeld: bans are read one by one as they are together, and an answer that ends early, or is another
// one, is an error.
func TestEachHeld(t *testing.T) {
	all := Held{Bans: []Ban{
		{Addr: netip.MustParseAddr("45.1.2.3"), Left: time.Hour, Why: "fail2ban asterisk", By: []string{"acme_pbx1"}},
		{Addr: netip.MustParseAddr("2a00:9::"), Age: time.Minute, Left: time.Hour, Proved: true},
	}}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	read := func(text string) (h Held, err error) {
		err = EachHeld(strings.NewReader(text), func(b Ban) { h.Bans = append(h.Bans, b) })
		return h, err
	}
	got, err := read(string(text))
	if diff := cmp.Diff(all, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if got, err := read(`{"bans":[]}`); err != nil || len(got.Bans) > 0 {
		t.Errorf("%v: %v", got, err)
	}
	for n := range len(text) {
		if _, err := read(string(text[:n])); err == nil {
			t.Errorf("the first %d bytes are enough", n)
		}
	}
	for _, other := range []string{`{}`, `[]`, `{"others":[]}`, `{"bans":{}}`, `{"bans":[1]}`, `{"bans":[],"more":1}`} {
		if _, err := read(other); err == nil {
			t.Errorf("%s is understood", other)
		}
	}
}
