package member

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/fleet/hub"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/fleet/link"
)

func (a *agent) Lists(_ context.Context, q link.ListsQuestion) (asked link.ListsAsked, err error) {
	err = a.answer(func() {
		asked = a.lists
		asked.Copies = slices.Clone(asked.Copies)
		if !q.Mirror {
			asked.Mine = nil
		}
	})
	return asked, err
}

func (a *agent) Offers(_ context.Context, o link.Offers) error {
	return a.answer(func() { a.offers = o })
}

func (a *agent) Mine(_ context.Context, q link.ListQuestion) (text []byte, err error) {
	err = a.answer(func() { text = a.texts[q.Key] })
	if text == nil && err == nil {
		err = errors.New("no such list")
	}
	return text, err
}

func (a *agent) Copy(_ context.Context, sum string, text []byte) error {
	return a.answer(func() {
		if a.copies == nil {
			a.copies = make(map[string][]byte)
		}
		a.copies[sum] = text
		a.lists.Copies = slices.DeleteFunc(a.lists.Copies, func(s string) bool { return s == sum })
	})
}

// asks changes what an agent asks for.
func (a *agent) asks(f func(l *link.ListsAsked)) {
	a.set(func() { a.lists.Serial++; f(&a.lists) })
}

// offered is what a mirror says of a list.
func (a *agent) offered(key string) (o link.Offer, ok bool) {
	i := slices.IndexFunc(a.offers.Offers, func(o link.Offer) bool { return o.Key == key })
	if i < 0 {
		return o, false
	}
	return a.offers.Offers[i], true
}

// TestLists: what a mirror has fetched, others have from the hub, with its age; also after the hub has lost
// all. A host that is no mirror tells nobody of its lists.
func TestLists(t *testing.T) {
	h := startHub(t)
	key, sum := link.ListKey("https://lists.example.net/a"), strings.Repeat("ab", 32)
	text := bytes.Repeat([]byte{7}, link.MaxCopy)
	mirror, host, liar, evil := newAgent(h, "acme_hub"), newAgent(h, "acme_pbx1"), newAgent(h, "evil_pbx1"), newAgent(h, "evil_hub")
	mirror.settings.Creds = string(h.MirrorCreds("acme_hub"))
	evil.settings.Creds = string(h.MirrorCreds("evil_hub"))
	// Of another list, asked for before this one, a mirror says what nobody understands.
	odd := link.ListKey("https://lists.example.net/odd")
	all := []*agent{mirror, host, liar, evil}
	for _, a := range all {
		a.lists.Keys = []string{odd, key}
		a.texts = map[string][]byte{key: text, odd: {7}}
	}
	evil.lists.Mine = []link.List{{Key: odd, SHA256: "x"}}
	liar.lists.Mine = []link.List{{Key: key, SHA256: strings.Repeat("00", 32)}}
	mirror.lists.Mine = []link.List{{Key: key, SHA256: sum, Bytes: 1234, Entries: 56, Age: 7 * 24 * time.Hour, Failing: true}}
	evil.run(t)
	reader, err := hub.New(hub.Options{URLs: []string{h.URL()}, Creds: h.Creds("zeta_pbx1"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	defer end()
	go reader.Run(ctx)
	go func() {
		for range reader.Events() {
		}
	}()
	eventually(t, "what is not understood", func() bool {
		evil.asks(func(*link.ListsAsked) {})
		_, err := reader.Offer(ctx, odd)
		return errors.Is(err, hub.ErrNotUnderstood)
	})
	for _, a := range all[:3] {
		a.run(t)
	}
	awaits := func() {
		t.Helper()
		eventually(t, "the offer", func() bool {
			for _, a := range []*agent{mirror, host} {
				a.asks(func(*link.ListsAsked) {})
			}
			host.mu.Lock()
			defer host.mu.Unlock()
			_, ok := host.offered(key)
			return ok
		})
	}
	awaits()
	host.mu.Lock()
	o, _ := host.offered(key)
	isMirror := host.offers.Mirror
	host.mu.Unlock()
	if o.From != "acme_hub" || o.SHA256 != sum || o.Age < 7*24*time.Hour || o.Age > 7*24*time.Hour+limit || !o.Failing || o.Entries != 56 || isMirror {
		t.Errorf("%+v, mirror: %v", o, isMirror)
	}
	other := strings.Repeat("cd", 32)
	host.asks(func(l *link.ListsAsked) { l.Copies = []string{sum, other} })
	eventually(t, "the copy", func() bool { host.mu.Lock(); defer host.mu.Unlock(); return len(host.copies) == 2 })
	host.mu.Lock()
	if !bytes.Equal(host.copies[sum], text) || host.copies[other] != nil {
		t.Errorf("%d bytes, and %d of a list that nobody has", len(host.copies[sum]), len(host.copies[other]))
	}
	maps.DeleteFunc(host.copies, func(string, []byte) bool { return true })
	host.mu.Unlock()

	// Lists of others have taken the room of the copy, and of nothing else: it comes again.
	filler, err := hub.New(hub.Options{URLs: []string{h.URL()}, Creds: h.MirrorCreds("filler_hub"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	go filler.Run(ctx)
	go func() {
		for range filler.Events() {
		}
	}()
	there := func() bool {
		keys, err := filler.Copies(ctx)
		return err != nil || slices.Contains(keys, key)
	}
	eventually(t, "the copy is at the hub", func() bool { _, err := filler.Copies(ctx); return err == nil && there() })
	for i := 0; there(); i++ {
		if err := filler.Mirror(ctx, link.List{Key: fmt.Sprintf("%032x", i), SHA256: sum}, nil); err != nil || i > 2*keys.ListMessages {
			t.Fatalf("%d lists, %v", i, err)
		}
	}
	eventually(t, "the copy again", func() bool { // it takes the room of what the mirror has said of it, which comes again, too
		mirror.asks(func(*link.ListsAsked) {})
		got, err := reader.Copy(ctx, key)
		o, unsaid := reader.Offer(ctx, key)
		return err == nil && unsaid == nil && bytes.Equal(got, text) && o != nil && o.SHA256 == sum && o.Age >= 7*24*time.Hour
	})
	host.mu.Lock()
	host.offers = link.Offers{}
	host.mu.Unlock()
	h.Lose()
	h.Run()
	awaits()
}
