package hub

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/keys"
)

// known is what a reader knows of the stream.
type known struct {
	created time.Time // zero: nothing has been read yet
	tail    tail
}

// session is one connection with the hub.
type session struct {
	*Conn
	js   jetstream.JetStream
	nc   *nats.Conn
	pull *pull

	attached time.Duration // uptime when the consumer was made
	last     uint64        // the stream's last sequence then
	reads    int           // how often the stream was read once more
	doubted  bool          // it is read once more because of the hub's clock
	trusts   time.Duration // for how long the hub's clock is not doubted after that
	resumed  *resumed      // nil: the stream is read from its beginning, or what was read on is as it was
	singly   int           // so many messages are asked for one by one: see pull.cut
}

// session connects, and works until the connection ends. It always returns an error.
func (c *Conn) session(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c.complain(nil)
	nc, url, err := dial(ctx, c.turn.left(), c.member, c.complain, cancel)
	if err != nil {
		c.turn.again()
		return err
	}
	c.turn.admits(url)
	if url != c.options.URLs[0] {
		defer time.AfterFunc(detourEnds(c.detour), func() { cancel(errDetour) }).Stop()
	}
	defer nc.Close()
	defer cancel(nil) // first: it closes the socket, so that nothing waits for it
	if c.connected(ctx, url) != nil {
		return context.Cause(ctx)
	}
	err = c.complained(c.work(ctx, nc))
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if errors.Is(err, nats.ErrConnectionClosed) {
		return closed(nc) // noticed before the library says why
	}
	return err
}

func (c *Conn) work(ctx context.Context, nc *nats.Conn) error {
	js, err := jetstream.NewWithAPIPrefix(nc, c.member.api)
	if err != nil {
		return err
	}
	s := &session{Conn: c, js: js, nc: nc, pull: newPull(nc, c.member.api, keys.Stream, c.member.consumer)}
	c.forgetBeat()
	c.mu.Lock()
	c.own.reconnected()
	c.mu.Unlock()
	c.setConnection(nc)
	defer c.setConnection(nil)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.read(ctx) })
	group.Go(func() error { return s.say(ctx) })
	group.Go(func() error { return s.beat(ctx) })
	return group.Wait()
}

// again is why the stream is read once more over the same connection.
type again struct{ why string }

func (a again) Error() string { return "the stream is read once more: " + a.why }

// againPause is how long it takes until that, if it has been the case a moment ago.
const (
	againPause = time.Second
	moment     = 10 * time.Second
)

// A hub that has lost its store has no stream for a moment: until its keeper is connected, too. Hosts ask
// less and less often, so that a hub to which all come at once has time for its keeper.
const (
	keeperPace  = 500 * time.Millisecond
	keeperLimit = 10 * time.Second
)

// trouble notes why the hub is of no use, though it is connected.
func (s *session) trouble(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.health.Error = err.Error()
}

// read reads the stream until the connection ends.
func (s *session) read(ctx context.Context) error {
	var waited time.Duration
	for {
		began := time.Now()
		err := s.follow(ctx)
		var a again
		switch {
		case errors.As(err, &a):
			s.options.Log.Info(a.Error())
		case errors.Is(err, errMissed):
			s.options.Log.Warn("what the hub has said is read once more", "error", err)
		case errors.Is(err, jetstream.ErrStreamNotFound) && waited < keeperLimit:
			s.trouble(err)
			pace := keeperPace + waited
			waited += pace
			if err := sleep(ctx, pace); err != nil {
				return err
			}
			continue
		default:
			s.taken = errors.Is(err, errTaken)
			return err
		}
		if err := s.synced(ctx, false); err != nil {
			return err
		}
		if s.reads++; s.reads > 1 && time.Since(began) < moment {
			if err := sleep(ctx, againPause); err != nil {
				return err
			}
		}
	}
}

// follow makes a consumer, reads what is new, and waits for more.
func (s *session) follow(ctx context.Context) error {
	if err := s.attach(ctx); err != nil {
		return err
	}
	if err := s.catchUp(ctx); err != nil {
		return err
	}
	if err := s.synced(ctx, true); err != nil {
		return err
	}
	for {
		n, err := s.round(ctx)
		if err != nil {
			return err
		}
		if err := sleep(ctx, breather(n)); err != nil {
			return err
		}
	}
}

// inactive is after how long the hub deletes a consumer that nobody uses.
const inactive = 5 * time.Minute

// mostRequests is for how many requests of a host the hub has room. There is one at a time, and some whose ends have
// crossed with the hub's answers. By default it makes room for 512 for each host.
const mostRequests = 16

// attach makes the consumer anew, reading on where the last one was, and compares the stream with what is known.
func (s *session) attach(ctx context.Context) error {
	// The consumer is made first. If the stream is replaced afterwards, it has none.
	info, err := s.consumer(ctx, s.stream.tail.first())
	if err != nil {
		if _, wrong := s.look(ctx); wrong != nil {
			return wrong // the stream's form is why it cannot have a consumer
		}
		return err
	}
	moved := s.clock.set(info.Created)
	s.attached = s.clock.boot()
	s.trusts = nextTrust(s.trusts, s.doubted && moved <= clockDoubt)
	s.doubted = false
	if err := s.pull.begin(); err != nil {
		return err
	}
	is, err := s.look(ctx)
	if err != nil {
		return err
	}
	last := is.State.LastSeq
	s.last = last
	if s.taken && is.Created.Equal(s.stream.created) { // then only who has this host's key can have done it
		s.mu.Lock()
		s.twin()
		s.mu.Unlock()
	}
	s.taken = false
	switch {
	case s.stream.created.IsZero():
		s.stream.created = is.Created
		s.resumed = nil
		s.mu.Lock()
		s.own.begin(last)
		s.mu.Unlock()
		return nil
	case !is.Created.Equal(s.stream.created):
		return s.replaced(ctx, "the hub has made it anew")
	case last < s.stream.tail.last():
		return s.replaced(ctx, "the hub has lost the end of it")
	}
	r := s.stream.tail.resume()
	s.resumed = &r
	return nil
}

// look returns how the stream is; an error, if it is in a form that is not to be believed.
func (s *session) look(ctx context.Context) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, attachIn)
	defer cancel()
	stream, err := s.js.Stream(ctx, keys.Stream)
	if err != nil {
		return nil, asked("about its stream", err)
	}
	is := stream.CachedInfo()
	return is, formError(differs(is.Config))
}

// replaced notes that the stream does not continue what was read.
func (s *session) replaced(ctx context.Context, why string) error {
	s.stream = known{}
	if err := s.emit(ctx, NewStream{}); err != nil {
		return err
	}
	return again{why}
}

// consumer makes this host's consumer, in place of the one that it had.
func (s *session) consumer(ctx context.Context, from uint64) (*jetstream.ConsumerInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, attachIn)
	defer cancel()
	err := s.js.DeleteConsumer(ctx, keys.Stream, s.member.consumer)
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil, asked("to delete this host's former consumer", err)
	}
	made, err := askReader(ctx, s.nc, s.member, from)
	if err != nil {
		return nil, asked("for a consumer", err)
	}
	return made, nil
}

func asked(what string, err error) error { return fmt.Errorf("the hub, asked %s: %w", what, err) }

// catchUp reads all that is there. It does not wait for the end of a stream into which somebody writes
// without an end.
func (s *session) catchUp(ctx context.Context) error {
	for whole := false; !whole || s.stream.tail.last() < s.last; {
		if err := s.pull.ask(s.atOnce(batch)); err != nil {
			return err
		}
		n, err := s.take(ctx)
		if err != nil {
			return err
		}
		if whole = s.resumed == nil || s.resumed.whole(); n == 0 {
			break
		}
	}
	if s.resumed != nil && !s.resumed.whole() {
		return s.replaced(ctx, "the hub has lost a part of it")
	}
	s.resumed = nil
	return nil
}

// atOnce returns how many of n messages may be asked for at once.
func (s *session) atOnce(n int) int {
	if s.singly > 0 {
		return 1
	}
	return n
}

// goOn makes the consumer anew where the last message was, after the hub has ended a request for more. The next
// messages are asked for one by one: somebody may have published many that end a request, and one that asks for a
// single message cannot be ended too soon. Later ones are asked for together again, since each request costs the hub
// about as much as a message.
func (s *session) goOn(ctx context.Context) error {
	s.singly = tailLength
	last := s.pull.last
	if _, err := s.consumer(ctx, last+1); err != nil {
		return err
	}
	if err := s.pull.begin(); err != nil {
		return err
	}
	is, err := s.look(ctx)
	if err == nil && (!is.Created.Equal(s.stream.created) || is.State.LastSeq < last) {
		err = s.replaced(ctx, "the hub has made it anew, or lost the end of it")
	}
	return err
}

// How much the reader works at most after it has caught up: a breath for each message of a round.
// Meanwhile messages that replace each other become one. A host that does nothing but speak costs all
// others a few hundred messages a second, and delays no others by more than the longest breath.
const (
	breath        = 5 * time.Millisecond
	longestBreath = 250 * time.Millisecond
)

func breather(n int) time.Duration { return min(time.Duration(n)*breath, longestBreath) }

// round waits for a message, and takes those that are behind it then, not what comes meanwhile. It
// returns how many messages that were.
func (s *session) round(ctx context.Context) (n int, err error) {
	if err := s.pull.await(s.atOnce(awaited)); err != nil {
		return 0, err
	}
	for left := 1; left > 0; left-- {
		if s.pull.left == 0 {
			if err := s.pull.ask(s.atOnce(min(left, batch))); err != nil {
				return n, err
			}
		}
		m, err := s.pull.next(ctx)
		switch {
		case errors.Is(err, errNone):
			return n, nil
		case errors.Is(err, errCut):
			return n, s.goOn(ctx)
		case err == nil:
			err = s.handle(ctx, m)
		}
		if err != nil {
			return n, err
		}
		if n++; n > 1 {
			continue
		}
		if err := s.checkClock(m); err != nil {
			return n, err
		}
		left += m.behind
	}
	return n, nil
}

// take takes the messages of a request. It returns how many.
func (s *session) take(ctx context.Context) (n int, err error) {
	for {
		m, err := s.pull.next(ctx)
		switch {
		case errors.Is(err, errNone):
			return n, nil
		case errors.Is(err, errCut):
			return n, s.goOn(ctx)
		case err == nil:
			err = s.handle(ctx, m)
		}
		if err != nil {
			return n, err
		}
		n++
	}
}

// handle takes a message in.
func (s *session) handle(ctx context.Context, m message) error {
	s.singly = max(s.singly-1, 0)
	if s.resumed != nil {
		switch fresh, same := s.resumed.see(m.end); {
		case !same:
			return s.replaced(ctx, "the hub has another history of it")
		case !fresh:
			return nil
		}
	}
	s.stream.tail.add(m.end)
	if m.subject == documentSubject {
		s.mu.Lock()
		s.health.Sequence = m.seq
		s.mu.Unlock()
		return s.emit(ctx, Document{m.data})
	}
	slot, ok := s.understand(m)
	if !ok {
		return nil
	}
	return s.emit(ctx, slot)
}

// understand returns what a message says; false for one that says nothing.
func (s *session) understand(m message) (Slot, bool) {
	name, slot, ok := fleet.ParseSubject(m.subject)
	said := Slot{Name: name, Slot: slot, At: s.clock.uptime(m.at), Seq: m.seq}
	if ok {
		var err error
		said.Message, err = fleet.Decode(slot, m.data)
		ok = err == nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.health.Sequence = m.seq
	if !ok || said.Odd > 0 {
		s.health.Ignored++
	}
	// What cannot be understood in a slot of this host has taken the place of what it has said.
	if name.String() == s.member.name {
		if s.own.read(said, m.seq) {
			s.twin()
		}
		s.ring()
	}
	return said, ok
}

// twin notes, with the lock held, that another host speaks by this host's name.
func (s *session) twin() {
	if time.Since(s.health.Twin) > time.Hour {
		s.options.Log.Warn("another host speaks by this host's name in the fleet: each needs credentials of its own", "name", s.member.name)
	}
	s.health.Twin = time.Now()
}

// clockDoubt is how far the hub's clock may be from what it should be by the last answer, and
// clockEvery how often it is asked again at most. A clock that was right is asked again less and less often, up
// to longestTrust: then messages are late, since the hub or this host has too much to do, and
// asking is the more work the more hosts do so.
const (
	clockDoubt   = 5 * time.Second
	clockEvery   = time.Minute
	longestTrust = time.Hour
)

// nextTrust is for how long the clock is not doubted after the hub has said its time. It is a random time,
// so that not all hosts ask at once.
func nextTrust(last time.Duration, right bool) time.Duration {
	least := clockEvery
	if right {
		least = min(2*last, longestTrust/2)
	}
	return least + rand.N(least)
}

// checkClock compares the clock with the time stamp of a message that has been waited for. If the hub's
// clock was set, or the message took long, the hub is to be asked for the time again.
func (s *session) checkClock(m message) error {
	off := s.clock.off(m.at)
	if off.Abs() <= clockDoubt || s.clock.boot()-s.attached < s.trusts {
		return nil
	}
	s.doubted = true
	return again{fmt.Sprintf("the hub's clock is %s ahead of what it should be", off.Round(time.Second))}
}
