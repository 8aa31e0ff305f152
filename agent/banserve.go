package agent

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/voipbl/voipbl/banlist"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/ipsetsync"
)

// The agent writes bans down for those who ask: it knows the list already, and writes
// many changes at once. It does so beside its loop, which may be busy with lists.

// bansPath takes a POST of a banRequest and gives a banAnswer.
const bansPath = "/bans"

const (
	// maxBanBatch bounds how many requests are settled together.
	maxBanBatch = 1000

	// maxBanBody bounds one request in bytes: a hundred thousand addresses.
	maxBanBody = 32 << 20

	// bansEvery is how often the sets of bans are compared with the list; with many
	// bans it is less often, as for the lists (studyPause).
	bansEvery = 9 * time.Second
)

// banServer settles requests, one batch after the other.
type banServer struct {
	cfg    func() config.Config
	book   *banBook
	asks   chan banAsk
	kernel *ipsetsync.Kernel
}

// banAsk is one request, and where its answer goes.
type banAsk struct {
	request banRequest
	answer  chan *banAnswer // nil: it could not be settled here
}

func newBanServer(cfg func() config.Config, book *banBook) *banServer {
	return &banServer{cfg: cfg, book: book, asks: make(chan banAsk, maxBanBatch)}
}

// run settles what is asked for until ctx ends.
func (s *banServer) run(ctx context.Context) {
	defer s.disconnect()
	for {
		select {
		case <-ctx.Done():
			return
		case first := <-s.asks:
			s.settle(ctx, s.batch(first))
		}
	}
}

// batch is all that is being asked for.
func (s *banServer) batch(first banAsk) []banAsk {
	batch := []banAsk{first}
	for len(batch) < maxBanBatch {
		select {
		case next := <-s.asks:
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

func (s *banServer) settle(ctx context.Context, batch []banAsk) {
	answers, err := s.answers(ctx, batch)
	for i, ask := range batch {
		if err != nil {
			ask.answer <- nil
			continue
		}
		ask.answer <- &answers[i]
	}
}

func (s *banServer) answers(ctx context.Context, batch []banAsk) ([]banAnswer, error) {
	cfg := s.cfg()
	exempt, err := exemptNow(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if s.kernel == nil {
		if s.kernel, err = ipsetsync.Open(); err != nil {
			return nil, err
		}
	}
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	s.book.cfg = cfg
	unlock, err := lockBans(ctx, cfg, "voipbl run", agentBanWait/2)
	if err != nil {
		return nil, err // whoever asks does it
	}
	defer unlock()
	var requests []banRequest
	for _, ask := range batch {
		requests = append(requests, ask.request)
	}
	now := banClock()
	s.book.refresh(now, func() [2]ipsetsync.Timed {
		var asked []cidr.Prefix
		for _, r := range requests {
			for _, w := range r.Add {
				asked = append(asked, cidr.FromNetip(w.Prefix))
			}
		}
		return othersBans(cfg, s.kernel, asked)
	})
	answers := s.book.settle(s.kernel, requests, exemptFrom(exempt), now)
	if slices.ContainsFunc(answers, func(a banAnswer) bool { return a.Kernel != nil }) {
		s.disconnect()
	}
	return answers, nil
}

func (s *banServer) disconnect() {
	if s.kernel != nil {
		s.kernel.Close()
		s.kernel = nil
	}
}

// serve answers one request over HTTP.
func (s *banServer) serve(w http.ResponseWriter, r *http.Request) {
	ask := banAsk{answer: make(chan *banAnswer, 1)}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBanBody)).Decode(&ask.request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	select {
	case s.asks <- ask:
	case <-r.Context().Done():
		return
	}
	select {
	case a := <-ask.answer:
		respond(w, a)
	case <-r.Context().Done():
	}
}

// lookAtBans makes the sets of bans hold what the list says, whoever has changed the
// one or the other.
func (d *daemon) lookAtBans(ctx context.Context, now time.Time) {
	d.bansAt = now.Add(bansEvery)
	kernel, err := ipsetsync.Open()
	if err != nil {
		d.warn("bans", []string{"the sets of bans cannot be looked at: " + err.Error()})
		return
	}
	defer kernel.Close()
	exempt, err := exemptNow(ctx, d.cfg)
	if err != nil {
		d.warn("bans", []string{"what is exempt is not known, so the sets of bans stay as they are: " + err.Error()})
		return
	}
	found, notes, err := d.book.syncBans(ctx, d.cfg, kernel, exemptFrom(exempt), "voipbl run", lookWait, false)
	if len(found) > 0 {
		d.repaired(RepairSets, found)
	}
	if locked := (*LockedError)(nil); errors.As(err, &locked) {
		return // by a process that writes bans down; the next look is soon enough
	}
	if err != nil {
		notes = append(notes, "the sets of bans could not be put right: "+err.Error()+": "+problemOf(err).Remedy)
	}
	d.warn("bans", notes)
	d.bansAt = now.Add(max(bansEvery, min(time.Duration(d.book.size())*studyPause, maxStudy)))
}

// restamp has the list written anew when the wall clock was set: after a boot the time
// since it was last written counts.
func (b *banBook) restamp(now banlist.Clock) {
	if b.lines > 0 && now.Leapt(b.stamp) {
		b.whole = true
	}
}
