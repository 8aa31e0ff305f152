package bans

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// TestNews: whoever goes on where he was gets each ban once; whoever has missed some learns that.
func TestNews(t *testing.T) {
	ban := func(i int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{8, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
	}
	began := time.Now()
	n := NewNews(began)
	start, more := n.Since(0)
	if !start.Missed || len(start.Banned) > 0 {
		t.Errorf("the first time: %+v", start)
	}
	n.Add(nil)
	select {
	case <-more:
		t.Error("nothing is news")
	default:
	}
	at, made, got := start.Next, 0, 0
	for _, many := range []int{1, 2, mostNews - 3, mostNews, mostNews, mostNews} {
		var all []netip.Prefix
		for range many {
			all = append(all, ban(made))
			made++
		}
		n.Add(all)
		select {
		case <-more:
		default:
			t.Error("bans are no news")
		}
		var b Bans
		b, more = n.Since(at)
		at = b.Next
		for _, p := range b.Banned {
			if p != ban(got) {
				t.Fatalf("%v is told of as number %d", p, got)
			}
			got++
		}
		if b.Missed || got != made {
			t.Fatalf("%d of %d", got, made)
		}
	}
	if len(n.banned) > 2*mostNews {
		t.Errorf("%d are kept", len(n.banned))
	}
	restarted, _ := NewNews(began.Add(time.Second)).Since(at)
	if late, _ := n.Since(start.Next); !late.Missed || !restarted.Missed {
		t.Errorf("late: %+v; the agent was restarted: %+v", fmt.Sprint(late), restarted)
	}
	n.miss()
	if b, _ := n.Since(at); !b.Missed || len(b.Banned) > 0 {
		t.Errorf("others have banned: %+v", b)
	}
	if b, _ := NewNews(began).Since(at); !b.Missed {
		t.Errorf("the clock was set back: %+v", b)
	}
}
