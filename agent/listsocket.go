package agent

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/fleet/link"
	"github.com/voipbl/voipbl/state"
)

// This file is what the fleet's process asks and tells the agent about lists from the network: see [lists].

const (
	// maxOffers bounds what the process says of lists, and maxQuestion what it asks.
	maxOffers   = link.MostLists * 1 << 10
	maxQuestion = 1 << 10

	// mostCopies is how many copies a minute may be brought or fetched, and at once after a quiet time.
	mostCopies = 2 * link.MostLists

	// copyIn is how long a copy may take from one process to the other.
	copyIn = time.Minute
)

// serveLists answers which lists are to be looked for, which copies to be brought, and which lists this host
// has fetched.
func (d *daemon) serveLists(w http.ResponseWriter, r *http.Request) {
	var ask link.ListsQuestion
	if !understood(w, r, maxQuestion, &ask) {
		return
	}
	cfg := *d.shared.Load()
	a := d.lists.asked(cfg)
	if ask.Mirror && len(a.Keys) > 0 {
		if store, err := state.FindStore(cfg); err == nil && store != nil {
			a.Mine = ownLists(store, cfg, time.Now())
			store.Close()
		}
	}
	state.Respond(w, a)
}

// takeOffers takes what mirrors say of lists.
func (d *daemon) takeOffers(w http.ResponseWriter, r *http.Request) {
	var said link.Offers
	if !understood(w, r, maxOffers, &said) {
		return
	}
	d.lists.take(*d.shared.Load(), said, time.Now())
	state.Respond(w, struct{}{})
}

func understood(w http.ResponseWriter, r *http.Request, most int64, v any) bool {
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, most)).Decode(v)
	if err != nil {
		http.Error(w, "not understood", http.StatusBadRequest)
	}
	return err == nil
}

// ownLists are the lists that this host has fetched from their sources, for which it may be the mirror.
func ownLists(store *fetch.Store, cfg config.Config, now time.Time) (all []link.List) {
	keys := keysOf(cfg)
	for _, f := range cfg.Feeds {
		key := link.KeyOf(f)
		if !slices.Contains(keys, key) || slices.ContainsFunc(all, func(l link.List) bool { return l.Key == key }) {
			continue
		}
		c, err := store.Open(f.Name)
		if err != nil {
			continue
		}
		m := c.Meta()
		c.Close()
		st, err := store.State(f.Name)
		if err != nil || m.Source != f.SourceID() || st.Mirror != "" {
			continue
		}
		age := now.Sub(feeds.LastSuccess(st, m.FetchedAt))
		if age < -wordSlack {
			continue // the clock was set back: nobody knows how old it is
		}
		all = append(all, link.List{
			Key: key, SHA256: m.SHA256, Bytes: m.Size, Entries: m.Entries,
			Age: max(0, age), Failing: st.LastError != "" && silent(fetch.Reason(st.Reason)),
		})
	}
	return all
}

// silent reports whether a fetch failed because the list's source gives no list, to nobody perhaps.
func silent(why fetch.Reason) bool {
	return slices.Contains([]fetch.Reason{
		fetch.ReasonUnreachable, fetch.ReasonTLS, fetch.ReasonProtocol, fetch.ReasonStatus, fetch.ReasonRetryLater,
		fetch.ReasonBadRedirect, fetch.ReasonTruncated, fetch.ReasonCorrupt, fetch.ReasonTooSlow,
	}, why)
}

// giveList answers with a list of this host's own, compressed.
func (d *daemon) giveList(w http.ResponseWriter, r *http.Request) {
	var ask link.ListQuestion
	if !understood(w, r, maxQuestion, &ask) {
		return
	}
	cfg := *d.shared.Load()
	i := slices.IndexFunc(cfg.Feeds, func(f config.Feed) bool { return ask.Key != "" && link.KeyOf(f) == ask.Key })
	if i < 0 || !cfg.Fleet.TakesLists() {
		http.Error(w, "no such list", http.StatusNotFound)
		return
	}
	store, err := state.FindStore(cfg)
	if err != nil || store == nil {
		http.Error(w, "there is no state folder", http.StatusNotFound)
		return
	}
	defer store.Close()
	c, err := store.Open(cfg.Feeds[i].Name)
	if err != nil {
		http.Error(w, "there is no copy of it", http.StatusNotFound)
		return
	}
	defer c.Close()
	if c.Meta().SHA256 != ask.SHA256 || c.Meta().Source != cfg.Feeds[i].SourceID() {
		http.Error(w, "there is another copy of it now", http.StatusConflict)
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(copyIn))
	z := gzip.NewWriter(w)
	for _, part := range c.Parts() {
		if _, err := io.Copy(z, part); err != nil {
			return // without its end, it is no gzip
		}
	}
	if c.Verify() == nil {
		z.Close()
	}
}

// takeCopy hands a mirror's copy over to the fetch that waits for it. An empty one says that it is not to be had.
func (d *daemon) takeCopy(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(copyIn))
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(2 * copyIn))
	var from io.Reader
	if r.ContentLength != 0 {
		from = http.MaxBytesReader(w, r.Body, link.MaxCopy)
	}
	if !d.lists.bring(r.Context(), r.PathValue("sum"), from) {
		http.Error(w, "nobody waits for it", http.StatusConflict)
		return
	}
	state.Respond(w, struct{}{})
}
