package blocklist

import (
	"context"
	"time"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/hits"
	"github.com/voipbl/voipbl/internal/units"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/settings"
	"github.com/voipbl/voipbl/state"
)

// Watch reads for an agent, again and again, what its metrics tell: the same values as the status
// of a command, by the same code. It stays connected to the kernel, lists the rules again only
// when they have changed, and reads no set of the lists that is as voipbl wrote it. It does not
// look for what metrics do not tell, such as who is logged in.
//
// Only one goroutine may use it at a time.
type Watch struct {
	headers *ipsetsync.Headers
	cheap   uint32 // see CheapHeader
	kernel  *ipsetsync.Kernel
	rules   context.Context // in which the listings of the rules are kept
	banned  map[string]lastRead
}

// lastRead is the content of a set of bans when it was last read.
type lastRead struct {
	content *ipsetsync.Content
	at      time.Time
}

const (
	// CheapHeader is how many entries a set may have whose header is read each time, so that metrics
	// tell at once that it was emptied. The kernel goes through all entries (measured: 3 ms for this many).
	CheapHeader = 200_000

	// headerAge is for how long the headers of larger sets are taken to hold: the agent's quick check
	// of the sets comes more often.
	headerAge = 13 * time.Second

	// banAge is how old the content of a set of bans may be whose header is the same.
	banAge = time.Minute
)

// NewWatch returns a Watch. The agent notes in headers what its checks of the sets have read.
func NewWatch(headers *ipsetsync.Headers) *Watch {
	return &Watch{headers: headers, cheap: CheapHeader, rules: reach.AtOneMoment(context.Background()), banned: make(map[string]lastRead)}
}

// Status returns the part of the status that metrics tell. agent and book are the running agent's
// own; limit is how long it may take.
func (w *Watch) Status(limit time.Duration, cfg config.Config, version string, now time.Time, agent *state.AgentStatus, book *bans.Book) (*Status, error) {
	kept := w.rules
	if settings.LeavesRules(cfg) { // the drop may be in any chain
		kept = reach.AtOneMoment(context.Background())
	}
	ctx, cancel := context.WithTimeout(kept, limit)
	defer cancel()
	if err := w.open(); err != nil {
		return nil, err
	}
	firewall.Renew(ctx)
	return w.status(ctx, cfg, version, now, agent, book)
}

func (w *Watch) open() (err error) {
	if w.kernel != nil && !w.kernel.Broken() {
		return nil
	}
	w.Close()
	kernel, err := ipsetsync.Open()
	if err != nil {
		return err
	}
	kernel.Share(w.headers, headerAge)
	w.kernel = kernel
	return nil
}

// Close closes the connection to the kernel.
func (w *Watch) Close() {
	if w.kernel != nil {
		w.kernel.Close()
		w.kernel = nil
	}
}

func (w *Watch) status(ctx context.Context, cfg config.Config, version string, now time.Time, agent *state.AgentStatus, book *bans.Book) (*Status, error) {
	store, _ := state.FindStore(cfg) // without the state folder there is still the kernel's state
	if store != nil {
		defer store.Close()
	}
	s := newStatus(version)
	s.Agent = agent
	cfg = s.findNames(ctx, cfg, w.kernel)
	if err := s.look(ctx, cfg, now, store, exempt.LastTrunks(ctx, cfg, store), w.kernel, w); err != nil {
		return nil, err
	}
	if store != nil {
		if book, err := hits.Read(store); err == nil { // a damaged one begins anew with the next sync, which says so
			s.Stopped = book.Feeds
		}
	}
	s.Bans = book.Active()
	s.PBXProblems = pbxProblems(cfg, agent, nil, now)
	s.Fleet = fleetStatus(cfg.Fleet, agent, nil, book.OfFleet(), units.Systemd(), now)
	s.judgeProtected()
	return s, nil
}

// list is that of [wholeSets], and reads no entry of a set that has not changed as far as its
// header tells. That of a large set may be one that the agent has read, or seen to hold, some seconds ago.
func (w *Watch) list(name string, f cidr.Family, print state.SetPrint) (SetStatus, error) {
	look, large := w.kernel.HeaderNow, print.Elements > w.cheap
	if large {
		look = w.kernel.Header
	}
	h, err := look(name)
	if large && print.Glance(h, err) != "" { // it may have been written since that header was read
		h, err = w.kernel.HeaderNow(name)
	}
	if err != nil {
		return noSet(name), err
	}
	if print.Name != name || print.Glance(h, nil) != "" || h.Elements > 0 && len(print.OwnLengths) == 0 || !ipsetsync.IsOurs(h, f) {
		return wholeSets{w.kernel}.list(name, f, print)
	}
	s := noSet(name)
	s.has(h)
	s.Ours, s.unknown = true, print.Unfilled
	if h.Elements > 0 {
		s.Entries, s.Lengths, s.KernelLengths = print.Own, print.OwnLengths, print.Lengths
	}
	return s, nil
}

// bans is that of [wholeSets], and reads the entries again only if the header has changed.
func (w *Watch) bans(name string, f cidr.Family) (SetStatus, error) {
	h, err := w.kernel.HeaderNow(name) // these sets are small
	if err != nil {
		return noSet(name), err
	}
	last := w.banned[name]
	if last.content == nil || last.content.Header != h || time.Since(last.at) > banAge {
		c, err := w.kernel.Content(name)
		if err != nil {
			return noSet(name), err
		}
		last = lastRead{c, time.Now()}
		w.banned[name] = last
	}
	s := noSet(name)
	s.has(last.content.Header)
	s.holds(last.content)
	s.Ours = ipsetsync.CheckBanSet(h, f) == nil
	return s, nil
}
