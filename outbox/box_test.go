package outbox

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func addr(n int) netip.Addr { return netip.AddrFrom4([4]byte{5, 5, byte(n >> 8), byte(n)}) }

var (
	sixty  = Limits{PerHour: 60}
	failed = func(r Reason) Result { return Result{Err: &Error{Reason: r, Server: "s", Words: "w"}} }
)

// text is the queue, in short.
func text(b *Box) string {
	var all []string
	for _, e := range b.Queue {
		all = append(all, fmt.Sprintf("%s %d", e.Kind, int(e.Addr.As4()[2])<<8|int(e.Addr.As4()[3])))
	}
	return strings.Join(all, ", ")
}

// sendOne sends the entry that is due, with the given result, and returns its address.
func sendOne(t *testing.T, b *Box, now time.Time, r Result) Entry {
	t.Helper()
	e, ok := b.begin(sixty, now)
	if !ok {
		t.Fatalf("nothing is due of %s", text(b))
	}
	b.finish(e, r, now)
	return e
}

// TestTake: outcomes of bans and unbans, one after the other.
func TestTake(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		name  string
		steps string // b ban, u unban, s sent, f the server fails, x refused, h an hour, d a day later
		want  string // outcomes of b and u
		queue string
	}{
		{"one", "b", "queued", "ban 1"},
		{"twice", "bb", "queued queued", "ban 1"},
		{"again after it was sent", "bsb", "queued not-reported", ""},
		{"again, 23 hours later", "bs" + strings.Repeat("h", 23) + "b", "queued not-reported", ""},
		{"again, a day later", "bsdb", "queued queued", "ban 1"},
		{"cancelled", "bu", "queued cancelled", ""},
		{"cancelled after the server failed", "bfu", "queued cancelled", ""},
		{"cancelled and again", "bub", "queued cancelled queued", "ban 1"},
		{"unban of what was never reported", "u", "not-reported", ""},
		{"unban of what was refused", "bxu", "queued not-reported", ""},
		{"unban", "bsu", "queued queued", "unban 1"},
		{"unban twice", "bsuu", "queued queued queued", "unban 1"},
		{"unban that was sent, again", "bsusu", "queued queued not-reported", ""},
		{"ban again before the unban was sent", "bsub", "queued queued cancelled", ""},
		{"and then it is unbanned after all", "bsubu", "queued queued cancelled queued", "unban 1"},
		{"ban again after the unban was sent", "bsusb", "queued queued not-reported", ""},
		{"the same a day later", "bsusdb", "queued queued queued", "ban 1"},
		{"unban, weeks later", "bs" + strings.Repeat("d", 29) + "u", "queued queued", "unban 1"},
		{"unban, too late", "bs" + strings.Repeat("d", 30) + "u", "queued not-reported", ""},
		{"unban of what is reported and waits once more", "bsdbu", "queued queued queued", "unban 1"},
		{"too old", "bd", "queued", ""},
		{"an unban waits longer", "bsuddd", "queued queued", "unban 1"},
		{"but not forever", "bsuddddddd", "queued queued", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b Box
			var got []string
			now := start
			for _, step := range test.steps {
				switch step {
				case 'b':
					got = append(got, string(b.ban(addr(1), 1, now)[0].Outcome))
				case 'u':
					got = append(got, string(b.unban(addr(1), 1, now)[0].Outcome))
				case 's':
					sendOne(t, &b, now, Result{})
				case 'f':
					sendOne(t, &b, now, failed(reasonStatus))
				case 'x':
					sendOne(t, &b, now, failed(reasonForbidden))
				case 'h':
					now = now.Add(time.Hour)
				case 'd':
					now = now.Add(day)
				}
				b.settle(now)
			}
			if s := strings.Join(got, " "); s != test.want {
				t.Errorf("%s gave %s, want %s", test.steps, s, test.want)
			}
			if s := text(&b); s != test.queue {
				t.Errorf("%s leaves %q, want %q", test.steps, s, test.queue)
			}
		})
	}
}

// TestMeanwhile: somebody changes the box while a request is under way.
func TestMeanwhile(t *testing.T) {
	t.Run("a report is cancelled that arrives all the same", func(t *testing.T) {
		var b Box
		b.ban(addr(1), 7, start)
		e, _ := b.begin(sixty, start)
		b.unban(addr(1), 7, start)
		b.finish(e, Result{}, start)
		if text(&b) != "unban 1" || b.Queue[0].Count != 7 {
			t.Errorf("what waits is %v: it is not taken back", b.Queue)
		}
	})
	t.Run("a report is cancelled that does not arrive", func(t *testing.T) {
		for _, reason := range []Reason{reasonStatus, reasonForbidden} {
			var b Box
			b.ban(addr(1), 1, start)
			e, _ := b.begin(sixty, start)
			b.unban(addr(1), 1, start)
			b.finish(e, failed(reason), start)
			if text(&b) != "" || len(b.Standing) > 0 {
				t.Errorf("%s: %q waits, %v stands", reason, text(&b), b.Standing)
			}
		}
	})
	t.Run("the second report of an address that stands is cancelled", func(t *testing.T) {
		var b Box
		b.ban(addr(1), 1, start)
		sendOne(t, &b, start, Result{})
		now := start.Add(25 * time.Hour)
		b.ban(addr(1), 1, now)
		e, _ := b.begin(sixty, now)
		b.unban(addr(1), 1, now)
		b.finish(e, Result{}, now)
		if text(&b) != "unban 1" {
			t.Errorf("what waits is %q", text(&b))
		}
		if err := b.check(); err != nil {
			t.Error(err)
		}
	})
	t.Run("an address is banned again while its unban is sent", func(t *testing.T) {
		var b Box
		b.ban(addr(1), 1, start)
		sendOne(t, &b, start, Result{})
		b.unban(addr(1), 1, start)
		e, _ := b.begin(sixty, start)
		b.ban(addr(1), 1, start)
		b.finish(e, Result{}, start)
		if text(&b) != "" || len(b.Standing) > 0 || len(b.Withdrawn) != 1 {
			t.Errorf("%q waits, %v stands, %v is withdrawn", text(&b), b.Standing, b.Withdrawn)
		}
	})
}

// TestRate: no more requests within any hour, those that fail included.
func TestRate(t *testing.T) {
	var b Box
	l := Limits{PerHour: 3}
	for i := range 10 {
		b.ban(addr(i), 1, start)
	}
	for i := range 3 {
		now := start.Add(time.Duration(i) * 10 * time.Minute)
		e, ok := b.begin(l, now)
		if !ok {
			t.Fatalf("request %d is not allowed", i)
		}
		r := Result{}
		if i == 1 {
			r = failed(reasonStatus)
		}
		b.finish(e, r, now)
	}
	now := start.Add(20 * time.Minute)
	if due := b.due(l, now); !due.Equal(start.Add(time.Hour)) {
		t.Errorf("the fourth is due at %v", due)
	}
	for _, at := range []time.Duration{20 * time.Minute, time.Hour - 1} {
		if _, ok := b.begin(l, start.Add(at)); ok {
			t.Errorf("a fourth request within %v", at)
		}
	}
	if _, ok := b.begin(l, start.Add(time.Hour)); !ok {
		t.Error("none is allowed after an hour")
	}
	if due := b.due(l, start.Add(time.Hour)); !due.Equal(start.Add(70 * time.Minute)) {
		t.Errorf("the fifth is due at %v", due)
	}
	// The limit is lowered at once: requests already made count.
	if due := b.due(Limits{PerHour: 1}, start.Add(time.Hour)); !due.Equal(start.Add(2 * time.Hour)) {
		t.Errorf("of one an hour, the next is due at %v", due)
	}
}

// TestPauses: a server that fails is left alone, longer each time.
func TestPauses(t *testing.T) {
	var b Box
	b.ban(addr(1), 1, start)
	now := start
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		sendOne(t, &b, now, failed(reasonStatus))
		due := b.due(sixty, now)
		if got := due.Sub(now); got != want*time.Minute {
			t.Errorf("after %d failures the pause is %v, not %v minutes", i+1, got, int(want))
		}
		now = due
	}
	sendOne(t, &b, now, Result{})
	b.ban(addr(2), 1, now)
	sendOne(t, &b, now, failed(reasonStatus))
	if got := b.due(sixty, now).Sub(now); got != time.Minute {
		t.Errorf("after a success and a failure the pause is %v", got)
	}
}

func TestRetryAfterIsKept(t *testing.T) {
	for _, test := range []struct{ asked, want time.Duration }{
		{0, time.Minute}, {30 * time.Second, time.Minute}, {3 * time.Hour, 3 * time.Hour}, {1000 * time.Hour, 24 * time.Hour},
	} {
		var b Box
		b.ban(addr(1), 1, start)
		r := failed(reasonBusy)
		r.NotBefore = start.Add(test.asked)
		sendOne(t, &b, start, r)
		if got := b.due(Limits{PerHour: 60, Network: start.Add(1)}, start.Add(2)).Sub(start); got != test.want {
			t.Errorf("asked for %v, the pause is %v, not %v", test.asked, got, test.want)
		}
	}
}

// TestNetwork: a change of the network ends the pause after a server could not be reached,
// and no other pause.
func TestNetwork(t *testing.T) {
	for _, test := range []struct {
		reason  Reason
		network time.Duration // after the failure
		want    time.Duration
	}{
		{reasonUnreachable, -time.Second, time.Minute},
		{reasonUnreachable, time.Second, NetworkPause},
		{reasonUnreachable, 20 * time.Second, 20 * time.Second},
		{reasonUnreachable, 2 * time.Minute, time.Minute},
		{reasonStatus, time.Second, time.Minute},
		{reasonTooSlow, time.Second, time.Minute},
		{reasonTLS, time.Second, time.Minute},
	} {
		var b Box
		b.ban(addr(1), 1, start)
		sendOne(t, &b, start, failed(test.reason))
		l := Limits{PerHour: 60, Network: start.Add(test.network)}
		if got := b.due(l, start.Add(2*time.Second)).Sub(start); got != test.want {
			t.Errorf("%s, the network changes after %v: due after %v, not %v", test.reason, test.network, got, test.want)
		}
	}
}

// TestOrder: the oldest first, but an entry on which the server fails does not hold up others.
func TestOrder(t *testing.T) {
	var b Box
	for i := range 3 {
		b.ban(addr(i), 1, start.Add(time.Duration(i)))
	}
	var got []string
	now := start.Add(time.Second)
	for len(b.Queue) > 0 {
		e, ok := b.begin(sixty, now)
		if !ok {
			now = b.due(sixty, now)
			continue
		}
		r := Result{}
		if e.Addr == addr(0) && e.Tries < 3 {
			r = failed(reasonStatus)
		}
		b.finish(e, r, now)
		got = append(got, fmt.Sprint(e.Addr.As4()[3]))
	}
	if s := strings.Join(got, " "); s != "0 1 2 0 0" {
		t.Errorf("sent in the order %s", s)
	}
}

func TestOnlyUnbans(t *testing.T) {
	var b Box
	b.ban(addr(1), 1, start)
	sendOne(t, &b, start, Result{})
	b.ban(addr(2), 1, start)
	b.unban(addr(1), 1, start)
	l := Limits{PerHour: 60, OnlyUnbans: true}
	if e, ok := b.begin(l, start); !ok || e.Kind != kindUnban {
		t.Fatalf("begun is %v", e)
	} else {
		b.finish(e, Result{}, start)
	}
	if e, ok := b.begin(l, start); ok || !b.due(l, start).IsZero() {
		t.Errorf("begun is %v", e)
	}
}
