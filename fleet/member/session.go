package member

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/hub"
	"github.com/voipbl/voipbl/fleet/link"
)

// session is one with the same connection with the hub, if any: what is heard by it is kept while other
// settings change.
type session struct {
	m       *Member
	conn    *hub.Conn // nil if there is none
	trouble string    // why there is none
	since   time.Time
	self    fleet.Name
	ends    time.Time // when the credentials end; zero: never
	key     string    // the public one of the credentials
	mirror  bool      // this host fetches lists for all

	changed  chan struct{} // bans of others may count now, or no more
	document chan struct{} // the agent is to have the operator's document
	asked    chan struct{} // the agent asks for something about lists
	due      chan struct{} // the agent is to be told how the process is
	pulse    chan struct{} // the heartbeat may be another one

	// Of what follows. Nothing of the hub is called while it is locked: a connection that dials may
	// keep its callers waiting.
	mu        sync.Mutex
	s         link.Settings
	latest    []byte // the operator's document, as the hub has it
	heard     *fleet.Heard
	book      *book
	carried   bool  // what is in force here is in heard
	leaving   bool  // what this host says no more makes no ban of others count less here
	synced    bool  // all that the hub has was heard once: before, nothing is made or taken back
	all       bool  // all bans that count are to be compared with the book
	reread    bool  // the book is to be compared with the agent before
	untold    error // why the agent has not made or taken back bans of others
	uncounted int   // bans that would count if those of others were accepted
	afresh    bool  // the hub is to have a heartbeat at once
}

func newSession(m *Member, s link.Settings) *session {
	return &session{
		m: m, s: s, since: time.Now(), changed: make(chan struct{}, 1), due: make(chan struct{}, 1), asked: make(chan struct{}, 1), document: make(chan struct{}, 1), pulse: make(chan struct{}, 1),
		heard: fleet.NewHeard(), book: newBook(),
	}
}

// policy is by what bans of others count here. The caller holds the lock.
func (s *session) policy() fleet.Policy {
	return fleet.Policy{
		Self: s.self, Trust: s.s.Trust, Revoked: s.s.Revoked, Agree: s.s.Agree, Proved: s.s.Proved,
		Longest: s.s.Longest, PerHost: s.s.PerHost, Most: s.s.Most,
	}
}

// wait says that the process is alive while it has nothing to do.
func (s *session) wait(ctx context.Context) error {
	for {
		s.m.Alive()
		if err := sleep(ctx, beatEvery); err != nil {
			return err
		}
	}
}

// ownPace is the least time between two questions what has changed at the agent, which answers some
// hundred a minute: bans that are made meanwhile are told together.
const ownPace = 250 * time.Millisecond

// follow takes other settings of the agent over, or returns [ErrSettings] if they need another connection
// with the hub. It passes this host's bans on to the hub. While the agent does not answer, it is asked again after a while: it may be about to end
// or to begin. After that its bans are compared.
func (s *session) follow(ctx context.Context) error {
	had := link.Seen{Settings: s.settings().Serial()}
	own := false // this host's bans are known
	for pause := firstAsk; ; {
		now, err := had, error(nil)
		if own || s.conn == nil {
			now, err = s.m.Agent.Changed(ctx, had)
		}
		if err == nil && now.Settings != had.Settings {
			if had.Settings, err = s.adopt(ctx); errors.Is(err, ErrSettings) {
				return err
			}
			own = false // which of them are said is a setting
		}
		if err == nil && now.Lists != had.Lists {
			had.Lists = now.Lists
			ring(s.asked)
		}
		if now.Status != had.Status {
			had.Status = now.Status
			ring(s.pulse)
		}
		if err == nil && s.conn != nil && (!own || now.Own != had.Own) {
			had.Own, err = s.say(ctx)
			own = err == nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.m.reached(ofOwn, err)
		if err == nil {
			pause = firstAsk
			if err := sleep(ctx, ownPace); err != nil {
				return err
			}
			continue
		}
		own = false // the agent may be another one, which counts anew
		s.doubt()
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, longestAsk)
	}
}

// farewellIn is how long it may take to take back what this host has said before it leaves its fleet.
const farewellIn = 5 * time.Second

// farewell takes back what this host has said, for it is to be in no fleet any more.
func (s *session) farewell(ctx context.Context) {
	if s.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, farewellIn)
	defer cancel()
	if err := s.conn.Hush(ctx); err != nil {
		s.m.Log.Warn("this host is in no fleet any more, but its bans stay with the others until their end", "error", err)
	}
}

// say tells the hub of this host's bans, and returns their serial.
func (s *session) say(ctx context.Context) (serial uint64, err error) {
	own, err := s.m.Agent.Own(ctx)
	if err != nil {
		return 0, err
	}
	s.conn.SayNewest(slots(own.Bans), own.Whole)
	ring(s.due)
	return own.Serial, nil
}

// doubt has the book compared with what the agent has.
func (s *session) doubt() {
	s.mu.Lock()
	s.reread = true
	s.mu.Unlock()
	ring(s.pulse)
	ring(s.changed)
	ring(s.document)
}

// hear takes in what the hub says.
func (s *session) hear(ctx context.Context) error {
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	s.m.Alive()
	for {
		select {
		case e := <-s.conn.Events():
			if err := s.take(ctx, e); err != nil {
				return err
			}
		case <-beat.C:
			ring(s.due)
		case <-ctx.Done():
			return ctx.Err()
		}
		s.m.Alive()
	}
}

// take takes one event in.
func (s *session) take(ctx context.Context, e hub.Event) error {
	switch e := e.(type) {
	case hub.Document:
		s.locked(func() { s.latest = e.Text })
		ring(s.document)
		return nil
	case hub.Slot:
		if err := s.carry(ctx); err != nil {
			return err
		}
		s.locked(func() { s.heard.TakeMessage(e.Name, e.Slot, e.Message, e.At) })
		ring(s.changed)
		return nil
	case hub.Connected:
		s.beatAfresh()
	case hub.Synced:
		s.beatAfresh()
		if err := s.carry(ctx); err != nil {
			return err
		}
		s.locked(func() { s.synced, s.all = true, s.all || !s.synced })
		ring(s.changed)
		var hosts, bans int
		s.locked(func() { hosts, bans = s.heard.Hosts(s.self), s.heard.Bans(s.self) })
		s.m.Log.Info("all is read that the hub has", "hosts", hosts, "bans", bans)
	case hub.NewStream:
		s.locked(s.heard.NewStream)
	}
	ring(s.due)
	return nil
}

func (s *session) locked(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}

// carry has bans that are in force here count until the hosts that said so say something else. It
// comes before anything that the hub says, whose clock is known by then.
func (s *session) carry(ctx context.Context) error {
	if s.carried { // only this goroutine writes it
		return nil
	}
	var again *book
	err := s.m.ask(ctx, ofOthers, func() error {
		again = s.book.anew() // nobody else uses the book yet
		return s.m.Agent.Held(ctx, func(b link.Ban) {
			now := s.conn.Now()
			again.read(b, now)
			if by, said, ok := carried(b); ok {
				s.locked(func() { s.heard.Carry(by, said, now) })
			}
		})
	})
	if err != nil {
		return err
	}
	s.locked(func() { s.book, s.carried = again, true })
	return nil
}
