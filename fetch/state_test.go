package fetch

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/internal/web"
)

func TestState(t *testing.T) {
	s := openStore(t)
	if got, err := s.State("voipbl"); err != nil || !reflect.DeepEqual(got, State{}) {
		t.Fatalf("got %+v, %v of nothing", got, err)
	}
	want := State{
		LastAttempt: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC), LastSuccess: time.Date(2026, 4, 30, 12, 0, 0, 0, time.UTC),
		LastError: "too slow", Reason: string(ReasonTooSlow), Failures: 3,
		Talked: []web.Peer{{Host: "cdn.example.net", Addr: netip.MustParseAddr("192.0.2.1"), Role: web.Redirect}, {Host: "voipbl.org"}},
		Held:   &Held{Since: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC), Reason: "shrank", Entries: 5, Agreed: 2},
	}
	if err := s.SetState("voipbl", want); err != nil {
		t.Fatal(err)
	}
	got, err := s.State("voipbl")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	for _, damage := range []string{"", "{", `{"failures":2} x`, `{"failures":2,"held":3}`, "null\x00", strings.Repeat(" ", maxJSON) + "{}"} {
		writeFile(t, s.path("voipbl.state"), damage)
		got, err := s.State("voipbl")
		var damaged *DamagedError
		if !errors.As(err, &damaged) || damaged.Path != s.path("voipbl.state") || !reflect.DeepEqual(got, State{}) {
			t.Errorf("%.20q: got %+v, %v, want a *DamagedError", damage, got, err)
		}
	}
}

func TestJSON(t *testing.T) {
	s := openStore(t)
	if err := s.ReadJSON("names", new(any)); !isAbsent(err) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
	// The state of a feed of that name is in another file.
	if err := s.SetState("names", State{Failures: 1}); err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{"trunk.example.net": {"192.0.2.1", "2001:db8::1"}}
	if err := s.WriteJSON("names", want); err != nil {
		t.Fatal(err)
	}
	var got map[string][]string
	if err := s.ReadJSON("names", &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	wantReason(t, s.WriteJSON("names", strings.Repeat("x", maxJSON)), ReasonStorage)
	err := s.WriteJSON("names", make(chan int))
	wantReason(t, err, ReasonStorage)
	if strings.HasPrefix(err.Error(), "feed ") {
		t.Errorf("a file of another kind is called a feed's: %v", err)
	}
	if err := s.ReadJSON("names", &got); err != nil {
		t.Errorf("the old value is gone: %v", err)
	}
}
