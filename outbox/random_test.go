package outbox

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestWhateverHappens: commands, servers, clocks and kills behave at random, and what VoIPBL
// gets is compared with what is promised.
func TestWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			b        Box
			l        = Limits{PerHour: rapid.IntRange(1, 5).Draw(t, "per hour")}
			now      = start
			requests []time.Time
			reported = make(map[netip.Addr]time.Time) // what the server has accepted, as far as this host knows
			standing = make(map[netip.Addr]bool)
			wanted   = make(map[netip.Addr]bool) // banned, and not unbanned since
			outcomes = []Reason{"", "", "", reasonStatus, reasonBusy, reasonUnreachable, reasonTooSlow, reasonForbidden}
		)
		some := func(t *rapid.T) netip.Addr { return addr(rapid.IntRange(0, 5).Draw(t, "address")) }
		t.Repeat(map[string]func(*rapid.T){
			"ban": func(t *rapid.T) {
				a := some(t)
				b.ban(a, 1, now)
				wanted[a] = true
			},
			"unban": func(t *rapid.T) {
				a := some(t)
				b.unban(a, 1, now)
				wanted[a] = false
			},
			"send": func(t *rapid.T) {
				e, ok := b.begin(l, now)
				if !ok {
					return
				}
				requests = append(requests, now)
				switch {
				case e.Kind == kindBan && !wanted[e.Addr]:
					t.Fatalf("%v is reported after its unban", e)
				case e.Kind == kindBan && now.Sub(reported[e.Addr]) < once:
					t.Fatalf("%v is reported twice within a day", e)
				case e.Kind == kindUnban && !standing[e.Addr]:
					t.Fatalf("%v is taken back and does not stand", e)
				case now.Sub(e.At) >= worthUnban, e.Kind == kindBan && now.Sub(e.At) >= worth:
					t.Fatalf("%v is no news", e)
				}
				if rapid.IntRange(0, 9).Draw(t, "killed") == 0 {
					return // it never learns the result, and tries again
				}
				for range rapid.IntRange(0, 2).Draw(t, "meanwhile") {
					if a := some(t); rapid.Bool().Draw(t, "ban") {
						b.ban(a, 1, now)
						wanted[a] = true
					} else {
						b.unban(a, 1, now)
						wanted[a] = false
					}
				}
				var r Result
				if reason := rapid.SampledFrom(outcomes).Draw(t, "outcome"); reason != "" {
					r = failed(reason)
				} else if e.Kind == kindBan {
					reported[e.Addr], standing[e.Addr] = now, true
				} else {
					delete(standing, e.Addr)
				}
				b.finish(e, r, now)
				if r.Err == nil && e.Kind == kindBan && !wanted[e.Addr] && b.find(e.Addr, kindUnban) < 0 {
					t.Fatalf("%v was let go while it was reported, and stays reported", e)
				}
			},
			"wait": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 300).Draw(t, "minutes")) * time.Minute)
				b.settle(now)
			},
			"": func(t *rapid.T) {
				if err := b.check(); err != nil {
					t.Fatal(err)
				}
				for i := l.PerHour; i < len(requests); i++ {
					if d := requests[i].Sub(requests[i-l.PerHour]); d < time.Hour {
						t.Fatalf("%d requests within %v", l.PerHour+1, d)
					}
				}
				if due := b.due(l, now); due.IsZero() != (len(b.Queue) == 0) || !due.IsZero() && (due.Before(now) || due.Sub(now) > maxRetryAfter) {
					t.Fatalf("at %v the next of %d is due at %v", now, len(b.Queue), due)
				}
				if _, changed := b.settle(now); changed {
					if _, again := b.settle(now); again {
						t.Fatal("it is settled twice")
					}
				}
				// The box on disk is the same.
				text, err := json.Marshal(b)
				if err != nil {
					t.Fatal(err)
				}
				var back Box
				if err := json.Unmarshal(text, &back); err != nil {
					t.Fatal(err)
				}
				again, _ := json.Marshal(back)
				if string(again) != string(text) || len(b.Queue) > 0 && !reflect.DeepEqual(b.Queue, back.Queue) {
					t.Fatalf("read back is\n%s\nnot\n%s", again, text)
				}
			},
		})
	})
}
