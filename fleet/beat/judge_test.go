package beat

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// aTime is when the hub got the heartbeat of the hosts of these tests, and now is a moment later.
var (
	aTime = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	now   = aTime.Add(9 * time.Second)
)

// TestJudge: what needs a look is said, the worst first.
func TestJudge(t *testing.T) {
	says := func(change func(*Beat)) Host {
		h := Host{Name: "acme_pbx7", Connected: true, At: aTime, Beat: full()}
		change(&h.Beat)
		return h
	}
	problems := func(words ...string) Host { return says(func(b *Beat) { b.Problems = words }) }
	is := func(change func(*Host)) Host {
		h := says(func(*Beat) {})
		change(&h)
		return h
	}
	for _, c := range []struct {
		what string
		host Host
		want State
		why  string
	}{
		{"all is well", says(func(*Beat) {}), Fine, ""},
		{"not protected", says(func(b *Beat) { b.Protected, b.Problems = false, []string{Stale, NoDrop} }), Unprotected, "no rule drops the members of the sets; a list is stale"},
		{"not protected, for a reason of another version", says(func(b *Beat) { b.Protected, b.Problems = false, []string{"new-trouble"} }), Unprotected, "it says so, and not why; new-trouble"},
		{"its agent does not answer", says(func(b *Beat) { b.Agent, b.Protected, b.Problems = false, false, []string{NoAgent} }), NoAnswer, "its agent does not answer"},
		{"nearly silent", is(func(h *Host) { h.At = now.Add(-SilentAfter + 1) }), Fine, ""},
		{"silent", is(func(h *Host) { h.At = now.Add(-SilentAfter) }), Silent, "it is connected; last: protected"},
		{"silent, and was not protected", is(func(h *Host) { h.At, h.Connected, h.Beat.Protected = now.Add(-time.Hour), false, false }), Silent, "it is not connected; last: not protected"},
		{"silent, and what it said is odd", is(func(h *Host) { h.At, h.Connected, h.Odd, h.Beat = now.Add(-time.Hour), false, true, Beat{} }), Silent, "it is not connected; its last heartbeat could not be read"},
		{"silent without its agent", is(func(h *Host) { h.At, h.Connected, h.Beat.Agent = now.Add(-time.Hour), false, false }), Silent, "it is not connected; last: its agent does not answer"},
		{"a heartbeat of the future, since the hub's clock was set back", is(func(h *Host) { h.At = now.Add(time.Hour) }), Fine, ""},
		{"never seen", Host{Name: "acme_pbx7"}, NeverSeen, "it has not joined, has never reached the hub, or not since the hub lost its store"},
		{"an older version", Host{Name: "acme_pbx7", Connected: true}, NeverSeen, "it is connected and sends no heartbeat: its voipbl is older"},
		{"a heartbeat that cannot be read", is(func(h *Host) { h.Odd, h.Beat = true, Beat{} }), Trouble, "its heartbeat cannot be read"},
		{"two hosts of one name", problems(Twin), SameName, "another host speaks by its name"},
		{"few repairs", says(func(b *Beat) { b.Repairs = driftedAfter - 1 }), Fine, ""},
		{"too many repairs", says(func(b *Beat) { b.Repairs = driftedAfter }), Drifted, "3 repairs in 1 h"},
		{"many repairs", says(func(b *Beat) { b.Repairs = 41 }), Drifted, "41 repairs in 1 h"},
		{"other rules", problems(Rules), Drifted, "the rules are not as they should be"},
		{"a stale list", problems(Stale), OldList, "a list is stale"},
		{"all is read", is(func(h *Host) { h.Missed = aTime.Add(-behindAfter) }), Fine, ""},
		{"behind", is(func(h *Host) { h.Missed = aTime.Add(-2 * time.Minute) }), BehindOthers, "it reads nothing since 2m0s before its heartbeat"},
		{"a clock that is nearly right", says(func(b *Beat) { b.Clock = clockAfter }), Fine, ""},
		{"a clock that is nearly right, and slow", says(func(b *Beat) { b.Clock = -clockAfter }), Fine, ""},
		{"a clock ahead", says(func(b *Beat) { b.Clock = clockAfter + 1 }), WrongClock, "its clock is 1m1s ahead"},
		{"a clock behind", says(func(b *Beat) { b.Clock = -most }), WrongClock, "its clock is 876000h0m0s behind"},
		{"another version", says(func(b *Beat) { b.Version = "1.3.9" }), OtherVersion, "it runs 1.3.9, most run 1.4.0"},
		{"no version", says(func(b *Beat) { b.Version = "" }), OtherVersion, "it runs an unknown version, most run 1.4.0"},
		{"something else", problems(Disk), Trouble, "its state folder cannot be written to"},
		{"the document", is(func(h *Host) { h.Document = h.Beat.Document }), Fine, ""},
		{"a newer document", is(func(h *Host) { h.Document = h.Beat.Document - 1 }), Fine, ""},
		{"an older document", is(func(h *Host) { h.Document = h.Beat.Document + 1 }), Trouble, "it has an older document of the operator"},
		{"no document", is(func(h *Host) { h.Document, h.Beat.Document = 1, 0 }), Trouble, "it has no document of the operator"},
		{"a refused document", is(func(h *Host) { h.Document, h.Beat.Document, h.Beat.Problems = 1, 0, []string{Document} }), Trouble, "it refuses the operator's document"},
		{"two things", says(func(b *Beat) { b.Version, b.Problems = "1.3.9", []string{Disk, Twin} }), SameName, "another host speaks by its name; it runs 1.3.9, most run 1.4.0; its state folder cannot be written to"},
		{"revoked", is(func(h *Host) { h.Connected, h.Revoked = false, now.Add(-time.Hour); h.At = h.Revoked }), Revoked, ""},
		{"revoked, and was not protected", Host{Revoked: aTime, At: aTime, Beat: Beat{}}, Revoked, ""},
		{"revoked before it came", Host{Revoked: aTime}, Revoked, ""},
		{"revoked and connected", is(func(h *Host) { h.Revoked = aTime }), StillHere, "it is revoked, and connected"},
		{"revoked and heard", is(func(h *Host) { h.Connected, h.Revoked = false, aTime.Add(-time.Hour) }), StillHere, "it was revoked before its last heartbeat"},
	} {
		got := Judge(c.host, "1.4.0", now)
		if why := strings.Join(got.Why, "; "); got.State != c.want || why != c.why {
			t.Errorf("%s: %s: %s\nwant %s: %s", c.what, got.State, why, c.want, c.why)
		}
		if !slices.Contains(States, got.State) || got.State.Bad() == (c.want == Fine || c.want == Revoked) {
			t.Errorf("%s: %s needs a look: %v", c.what, got.State, got.State.Bad())
		}
	}
	if v := Judge(says(func(b *Beat) { b.Version = "1.3.9" }), "", now); v.State != Fine {
		t.Errorf("without a usual version: %+v", v)
	}
}

// TestUsual: the usual version is that of most hosts that are there.
func TestUsual(t *testing.T) {
	host := func(version string, change func(*Host)) Host {
		h := Host{At: aTime, Beat: full()}
		h.Beat.Version = version
		change(&h)
		return h
	}
	same := func(*Host) {}
	gone := func(h *Host) { h.At = now.Add(-SilentAfter) }
	revoked := func(h *Host) { h.Revoked = aTime }
	odd := func(h *Host) { h.Odd = true }
	for _, c := range []struct {
		hosts []Host
		want  string
	}{
		{nil, ""},
		{[]Host{host("1", same), host("2", same), host("2", same)}, "2"},
		{[]Host{host("2", same), host("1", same), host("1", same)}, "1"},
		{[]Host{host("1", same), host("2", same)}, "2"},
		{[]Host{host("1", same), host("2", gone), host("2", gone), host("3", revoked), host("3", revoked), host("4", odd), host("4", odd), host("", same), host("", same)}, "1"},
	} {
		if got := Usual(c.hosts, now); got != c.want {
			t.Errorf("%+v: %s, want %s", c.hosts, got, c.want)
		}
	}
}
