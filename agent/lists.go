package agent

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/link"
)

// lists is what the fleet's process says of lists that mirrors have fetched, and the copies that it is to
// bring. The process asks for what is wanted; the agent cannot ask it.
type lists struct {
	news chan struct{} // mirrors say something else

	mu     sync.Mutex
	serial uint64
	change bell               // rung with another serial
	spoken bool               // the process has said something
	mirror bool               // this host is a mirror
	offers map[string]*offer  // by the list's key
	wanted map[string]*wanted // by the copy's SHA-256
}

// wanted is a copy that the process is to bring: to each of those who wait, since two lists can be the same.
type wanted struct {
	copies  chan delivery
	waiting int
}

// offer is a list as a mirror offers it, and what has become of it here.
type offer struct {
	link.Offer
	word
}

// delivery is a copy that the process brings. Whoever takes it closes it.
type delivery struct {
	from io.Reader
	done chan struct{} // closed when it is read
}

func newLists() *lists {
	return &lists{news: make(chan struct{}, 1), offers: make(map[string]*offer), wanted: make(map[string]*wanted)}
}

// bump makes the process ask again. The caller holds the lock.
func (l *lists) bump() {
	l.serial++
	l.change.ring()
}

// fetched has the process look at this host's own lists, one of which was fetched.
func (l *lists) fetched() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mirror {
		l.bump()
	}
}

// since returns a number that changes with what the process is to do, and a channel that is closed then.
func (l *lists) since() (uint64, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.serial, l.change.next()
}

// keysOf are the lists of a configuration that go by the fleet.
func keysOf(cfg config.Config) (keys []string) {
	if !cfg.Fleet.TakesLists() {
		return nil
	}
	for _, f := range cfg.Feeds {
		if key := link.KeyOf(f); key != "" && !slices.Contains(keys, key) && len(keys) < link.MostLists {
			keys = append(keys, key)
		}
	}
	return keys
}

// asked is what the process is to look for.
func (l *lists) asked(cfg config.Config) link.ListsAsked {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := link.ListsAsked{Serial: l.serial, Keys: keysOf(cfg)}
	for sum := range l.wanted {
		a.Copies = append(a.Copies, sum)
	}
	return a
}

// take takes over what the process says. What it leaves out is as it was.
func (l *lists) take(cfg config.Config, said link.Offers, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now = now.Round(0) // the wall clock, which goes on while the host is suspended
	changed := !l.spoken || l.mirror != said.Mirror
	l.spoken, l.mirror = true, said.Mirror
	keys := keysOf(cfg)
	for key := range l.offers {
		if !slices.Contains(keys, key) {
			delete(l.offers, key)
		}
	}
	for _, o := range said.Offers {
		if !slices.Contains(keys, o.Key) || !link.IsSum(o.SHA256) || o.Age < 0 || o.Said < 0 || o.Bytes < 0 {
			continue
		}
		if _, err := fleet.ParseName(o.From); err != nil { // people read it
			continue
		}
		fetched, was := now.Add(-o.Age), l.offers[o.Key]
		is := &offer{o, word{fetched: fetched, said: now.Add(-o.Said), heard: now, failing: o.Failing}}
		if was != nil {
			is.refused = was.refused && was.SHA256 == o.SHA256
			if !was.settled || was.refused {
				is.tries, is.tried = was.tries, earlier(was.tried, now) // the clock may have been set back
				if was.tries > 0 || now.Sub(was.heard) < wordPatience { // else nobody has wanted the former word
					is.heard = earlier(was.heard, now)
				}
			}
			if was.SHA256 == o.SHA256 && fetched.Sub(was.word.fetched).Abs() <= wordSlack { // the same word, said again perhaps
				is.word.fetched, is.heard, is.settled = was.word.fetched, earlier(was.heard, now), was.settled
			} else {
				changed = true
			}
			changed = changed || was.failing != is.failing
		} else {
			changed = true
		}
		l.offers[o.Key] = is
	}
	if changed {
		select {
		case l.news <- struct{}{}:
		default:
		}
	}
}

// of returns what a mirror says of a feed; nil if nothing that counts here. waits says that the process may be
// about to say something.
func (l *lists) of(cfg config.Config, f config.Feed) (w *word, waits bool) {
	if !cfg.Fleet.TakesLists() {
		return nil, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mirror {
		return nil, false
	}
	if o := l.offers[link.KeyOf(f)]; o != nil {
		return new(o.word), false
	}
	return nil, !l.spoken
}

// mirrored returns a mirror's copy of a feed; false if there is none any more.
func (l *lists) mirrored(f config.Feed) (feeds.Mirrored, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o := l.offers[link.KeyOf(f)]
	if o == nil {
		return feeds.Mirrored{}, false
	}
	return feeds.Mirrored{
		From: o.From, SHA256: o.SHA256, Bytes: o.Bytes, Fetched: o.word.fetched.Round(0),
		Open: func(ctx context.Context) (io.ReadCloser, error) { return l.open(ctx, o.SHA256) },
	}, true
}

// tried notes what has become of a mirror's copy. Its word may be another one by now.
func (l *lists) tried(f config.Feed, m feeds.Mirrored, err error, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o := l.offers[link.KeyOf(f)]
	if o == nil {
		return
	}
	now = now.Round(0)
	same := o.SHA256 == m.SHA256
	if err != nil {
		o.tries, o.tried = o.tries+1, now
		if same && errors.Is(err, feeds.ErrNotTaken) {
			o.settled, o.refused = true, true
		}
		return
	}
	o.tries, o.tried = 0, time.Time{}
	if same && o.word.fetched.Sub(m.Fetched) <= wordSlack {
		o.settled = true
	} else {
		o.heard = now
	}
}

// has notes that the source has given this host a list: a mirror's that is the same is believed again.
func (l *lists) has(f config.Feed, sum string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if o := l.offers[link.KeyOf(f)]; o != nil && o.SHA256 == sum {
		o.refused, o.tries, o.tried = false, 0, time.Time{}
	}
}

// copyWait is how long the process may take until it brings a copy.
const copyWait = 45 * time.Second

var (
	errNotBrought = errors.New("the fleet's process does not bring the copy")
	errNoCopy     = errors.New("the hub does not have the copy, or does not answer")
)

// open has the process bring a copy, and returns it.
func (l *lists) open(ctx context.Context, sum string) (io.ReadCloser, error) {
	l.mu.Lock()
	w := l.wanted[sum]
	if w == nil {
		w = &wanted{copies: make(chan delivery)}
		l.wanted[sum] = w
	}
	w.waiting++
	l.bump()
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if w.waiting--; w.waiting == 0 {
			delete(l.wanted, sum)
			return
		}
		l.bump() // it is brought once more, for another
	}()
	ctx, cancel := context.WithTimeout(ctx, copyWait)
	defer cancel()
	select {
	case d := <-w.copies:
		if d.from == nil {
			close(d.done)
			return nil, errNoCopy
		}
		return &brought{d}, nil
	case <-ctx.Done():
		return nil, errNotBrought
	}
}

// brought is a copy that is being read.
type brought struct{ delivery }

func (b *brought) Read(p []byte) (int, error) { return b.from.Read(p) }

func (b *brought) Close() error { close(b.done); return nil }

// bring hands a copy over to whoever waits for it, and returns when it was read. from is nil if it is not to
// be had. It reports whether somebody has waited.
func (l *lists) bring(ctx context.Context, sum string, from io.Reader) bool {
	l.mu.Lock()
	w := l.wanted[sum]
	l.mu.Unlock()
	if w == nil {
		return false
	}
	d := delivery{from, make(chan struct{})}
	wait := time.NewTimer(time.Second) // whoever waited may have just given up
	defer wait.Stop()
	select {
	case w.copies <- d:
	case <-wait.C:
		return false
	}
	<-d.done // it ends by itself: reading has a deadline
	return true
}
