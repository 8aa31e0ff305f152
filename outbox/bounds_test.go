package outbox

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// TestFull: the oldest report makes room, not an unban.
func TestFull(t *testing.T) {
	var b Box
	b.ban(addr(9999), 1, start)
	sendOne(t, &b, start, Result{})
	b.unban(addr(9999), 1, start)
	for i := range maxQueue - 1 {
		if told := b.ban(addr(i), 1, start); len(told) != 1 {
			t.Fatalf("number %d: %v", i, told)
		}
	}
	told := b.ban(addr(maxQueue), 1, start)
	if len(told) != 2 || told[0].Outcome != Queued || told[1].Addr != addr(0) || told[1].Outcome != Dropped || told[1].Why == "" {
		t.Errorf("told is %v", told)
	}
	if len(b.Queue) != maxQueue || b.Queue[0].Kind != kindUnban || b.Queue[1].Addr != addr(1) {
		t.Errorf("%d wait, the first are %v", len(b.Queue), b.Queue[:2])
	}
	if err := b.check(); err != nil {
		t.Error(err)
	}
}

func TestFullOfUnbans(t *testing.T) {
	b := Box{Standing: make(map[netip.Addr]time.Time)}
	for i := range maxQueue + 1 {
		b.Standing[addr(i)] = start
	}
	for i := range maxQueue {
		b.unban(addr(i), 1, start)
	}
	if told := b.ban(addr(5000), 1, start); len(told) != 1 || told[0].Outcome != Dropped || told[0].Addr != addr(5000) {
		t.Errorf("told of a report is %v", told)
	}
	if told := b.unban(addr(maxQueue), 1, start); len(told) != 2 || told[0].Outcome != Queued || told[1].Addr != addr(0) {
		t.Errorf("told of an unban is %v", told)
	}
	if len(b.Queue) != maxQueue {
		t.Errorf("%d wait", len(b.Queue))
	}
}

func TestForgetsTheOldestAddresses(t *testing.T) {
	b := Box{Standing: make(map[netip.Addr]time.Time)}
	for i := range maxStanding + 5 {
		b.Standing[addr(i)] = start.Add(-time.Duration(i) * time.Second)
	}
	_, changed := b.settle(start)
	if _, oldest := b.Standing[addr(maxStanding)]; !changed || oldest || len(b.Standing) != maxStanding {
		t.Errorf("changed %v, %d stand, the oldest too: %v", changed, len(b.Standing), oldest)
	}
	if _, changed := b.settle(start); changed {
		t.Error("it changes twice")
	}
}

// TestClockSetBack: times in the future delay nothing for longer than the time they stand
// for.
func TestClockSetBack(t *testing.T) {
	var b Box
	l := Limits{PerHour: 1}
	b.ban(addr(1), 1, start)
	sendOne(t, &b, start, failed(reasonStatus))
	r := failed(reasonBusy)
	r.NotBefore = start.Add(maxRetryAfter)
	later := start.Add(2 * time.Minute)
	sendOne(t, &b, later, r)
	now := start.AddDate(-10, 0, 0)
	if _, changed := b.settle(now); !changed {
		t.Fatal("nothing is mended")
	}
	if _, changed := b.settle(now); changed {
		t.Error("it is mended twice")
	}
	if due := b.due(l, now); due.Sub(now) > window {
		t.Errorf("the next is due after %v", due.Sub(now))
	}
	if _, ok := b.begin(l, now); ok {
		t.Error("setting the clock back allows more requests")
	}
	if told, _ := b.settle(now.Add(worth - 1)); len(told) > 0 {
		t.Errorf("told is %v", told)
	}
	if told, _ := b.settle(now.Add(worth)); len(told) != 1 {
		t.Errorf("told is %v", told)
	}
}

func TestDrop(t *testing.T) {
	var b Box
	b.ban(addr(1), 1, start)
	sendOne(t, &b, start, Result{})
	b.unban(addr(1), 1, start)
	b.ban(addr(2), 1, start)
	b.ban(addr(3), 1, start)
	told := b.drop(func(a netip.Addr) string {
		if a == addr(3) {
			return ""
		}
		return "it is a trunk"
	})
	// The unban of a reported trunk is sent, whatever exempts the trunk by now.
	if text(&b) != "unban 1, ban 3" || len(told) != 1 || told[0].Addr != addr(2) || told[0].Why != "it is a trunk" || told[0].Outcome != None {
		t.Errorf("%q is left, told is %v", text(&b), told)
	}
}

func TestCheck(t *testing.T) {
	good := Entry{Addr: addr(1), Kind: kindBan, At: start}
	for _, test := range []struct {
		name string
		box  Box
		want string
	}{
		{"nothing", Box{}, ""},
		{"good", Box{Queue: []Entry{good, {Addr: addr(1), Kind: kindUnban}}}, ""},
		{"no address", Box{Queue: []Entry{good, {Kind: kindBan}}}, "number 2 of the queue has no address"},
		{"zone", Box{Queue: []Entry{{Addr: netip.MustParseAddr("fe80::1%lo"), Kind: kindBan}}}, "number 1 of the queue has no address"},
		{"mapped", Box{Queue: []Entry{{Addr: netip.MustParseAddr("::ffff:5.5.5.5"), Kind: kindBan}}}, "number 1 of the queue has no address"},
		{"kind", Box{Queue: []Entry{{Addr: addr(1), Kind: "../x"}}}, "number 1 of the queue is neither a ban nor an unban"},
		{"twice", Box{Queue: []Entry{good, good}}, "number 2 of the queue is there twice"},
		{"too many", Box{Queue: func() (q []Entry) {
			for i := range maxQueue + 1 {
				q = append(q, Entry{Addr: addr(i), Kind: kindBan})
			}
			return q
		}()}, "the queue has 1001 entries, more than 1000"},
		{"requests", Box{Requests: []time.Time{start, start.Add(-1)}}, "the requests are not in order of time"},
	} {
		err := test.box.check()
		if got := fmt.Sprint(err); err == nil && test.want != "" || err != nil && got != test.want {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
