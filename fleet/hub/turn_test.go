package hub

import (
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// TestFirstURLAgain: a host to which the first URL was of no use has the hub by another one, and not for ever: by the
// first one again, once that leads to the hub.
func TestFirstURLAgain(t *testing.T) {
	t.Parallel()
	h := startKeptHub(t)
	first, open := door(t, h.Address())
	urls := []string{first, h.op.URLs()[0]}
	o := newHost(t, urls, h.admit("acme_pbx1"), "boot 1")
	o.detour = time.Second
	o.start()
	at := func(url string) {
		t.Helper()
		until(t, "all is read by "+url, func() bool { now := o.Health(); return now.Synced && now.Hub == url })
	}
	at(urls[1])
	open.Store(true)
	at(urls[0])
	o.look(func() {
		if last := o.lost[len(o.lost)-1]; last.Err != errDetour {
			t.Errorf("%v", last)
		}
	})
}

// door is a URL that leads to an address while it is open.
func door(t *testing.T, address string) (url string, open *atomic.Bool) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	open = new(atomic.Bool)
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			if !open.Load() {
				near.Close()
				continue
			}
			go func() {
				defer near.Close()
				far, err := net.Dial("tcp", address)
				if err != nil {
					return
				}
				defer far.Close()
				go io.Copy(far, near)
				io.Copy(near, far)
			}()
		}
	}()
	return "tls://" + l.Addr().String(), open
}

// TestTurn: where an attempt to reach the stream begins, and whether it does at once.
func TestTurn(t *testing.T) {
	t.Parallel()
	const a, b, c = "a", "b", "c"
	all := []string{a, b, c}
	for _, row := range []struct{ admitted, tries string }{
		{"", "abc abc"},
		{"a", "abc bc abc"},
		{"ab", "abc bc c abc"},
		{"b", "abc c abc"},
		{"c", "abc abc"},
		{"abc", "abc bc c abc"},
	} {
		var got []string
		turn := turn{all: all}
		for len(got) < len(strings.Fields(row.tries)) {
			left := turn.left()
			got = append(got, strings.Join(left, ""))
			if i := slices.IndexFunc(left, func(url string) bool { return strings.Contains(row.admitted, url) }); i >= 0 {
				turn.admits(left[i])
			} else {
				turn.again()
			}
		}
		if got := strings.Join(got, " "); got != row.tries {
			t.Errorf("%s: %s", row.admitted, got)
		}
	}
	two := turn{all: []string{a, a, b}}
	two.admits(a)
	two.admits(a)
	if left := two.left(); len(left) != 1 || left[0] != b {
		t.Errorf("%v", left)
	}
	if !two.atOnce(nats.ErrNoResponders) || two.atOnce(nats.ErrTimeout) {
		t.Error("only that nobody answers a request costs nobody anything")
	}
	if two.again(); len(two.left()) != 3 || two.atOnce(nats.ErrNoResponders) {
		t.Errorf("%+v", two)
	}
}
