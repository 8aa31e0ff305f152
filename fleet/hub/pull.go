package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/keys"
)

const (
	// batch is how many messages are asked for at once, which bounds what waits in memory.
	batch = keys.Round

	// awaited is how many messages a request that waits for news has room for. Each request costs the hub about as
	// much as a message, and it remembers each for a while: a request for each message doubles its work. More
	// would have it send what a host says that does nothing else, before that is replaced.
	awaited = fleet.Slots

	// A request that waits for news ends after waitsFor. Meanwhile the hub says all beatEvery that it
	// still waits, and is given up after twice that time, and another answerIn, without.
	waitsFor  = time.Minute
	beatEvery = 10 * time.Second
)

// pull reads the messages of a consumer. There is one subscription for all requests to it: an answer that
// comes after its request was given up is not lost. Messages are not acknowledged, and one that is lost
// is noticed by the consumer's sequence.
type pull struct {
	nc      *nats.Conn
	sub     *nats.Subscription
	inbox   string // for the answers to all requests to the consumer
	stream  string
	subject string // to which requests are sent
	left    int    // messages that are still to come for the request; 0: there is none
	read    uint64 // the consumer's sequence of the last message
	last    uint64 // the stream's

	// The hub's server passes answers on from the streams' account to a host's until one has no bytes: it takes that
	// for the last one, also if it is a message that somebody has published. What it sends for the request after
	// that is lost.
	passed bool // answers are passed on
	cut    bool // the request has had its last one
}

// newPull returns one for a consumer of a stream; begin is called when there is the consumer. api is what requests
// begin with.
func newPull(nc *nats.Conn, api, stream, consumer string) *pull {
	return &pull{nc: nc, passed: api == keys.APIPrefix, stream: stream, subject: api + ".CONSUMER.MSG.NEXT." + stream + "." + consumer}
}

// begin is called when the consumer is a new one. What the former one has sent, or the hub because it is gone, may
// still come, and is not received any more.
func (p *pull) begin() (err error) {
	if p.sub != nil {
		if err := p.sub.Unsubscribe(); err != nil {
			return err
		}
	}
	p.inbox, p.left, p.read, p.cut = p.nc.NewInbox(), 0, 0, false
	if p.sub, err = p.nc.SubscribeSync(p.inbox); err != nil {
		return err
	}
	return p.sub.SetPendingLimits(queue, queueBytes)
}

// request is one for messages, as the hub reads it.
type request struct {
	Batch   int           `json:"batch"`
	NoWait  bool          `json:"no_wait,omitempty"`
	Expires time.Duration `json:"expires,omitempty"`
	Beat    time.Duration `json:"idle_heartbeat,omitempty"`
}

// ask asks for messages that are there, n at most.
func (p *pull) ask(n int) error { return p.send(request{Batch: n, NoWait: true}) }

// await asks for the next messages as they come, n at most, unless a request for them is open.
func (p *pull) await(n int) error {
	if p.left > 0 {
		return nil
	}
	return p.send(request{Batch: n, Expires: waitsFor, Beat: beatEvery})
}

func (p *pull) send(r request) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	p.left = r.Batch
	return p.nc.PublishRequest(p.subject, p.inbox, text)
}

// Why there is no next message.
var (
	errNone   = errors.New("there are no more messages")       // for the request
	errMissed = errors.New("messages of the hub are missing")  // the consumer is of no more use
	errCut    = errors.New("the hub has ended a request")      // nor is this one: it has sent what was not passed on
	errSilent = errors.New("the hub does not answer requests") // though it is connected
	errTaken  = errors.New("the hub has deleted this host's consumer: another host with this name may be connected")
)

// next returns the next message of the request, or errNone when there is none, or no more.
func (p *pull) next(ctx context.Context) (message, error) {
	for p.left > 0 {
		if p.cut {
			return message{}, errCut
		}
		msg, err := p.receive(ctx)
		if err != nil {
			return message{}, err
		}
		// Whoever publishes chooses the headers: only the reply subject tells a message from a status.
		if m, ok := parse(msg, p.stream); ok {
			if m.consumerSeq != p.read+1 {
				return message{}, errMissed
			}
			p.read++
			p.left--
			p.last = m.seq
			p.cut = p.passed && p.left > 0 && len(msg.Data)+len(msg.Header) == 0
			return m, nil
		}
		if err := p.status(msg); err != nil {
			p.left = 0
			return message{}, err
		}
	}
	return message{}, errNone
}

func (p *pull) receive(ctx context.Context) (*nats.Msg, error) {
	within, cancel := context.WithTimeout(ctx, 2*beatEvery+answerIn)
	defer cancel()
	msg, err := p.sub.NextMsgWithContext(within)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, errSilent
	}
	return msg, err
}

// status returns what a status of the hub says of the request: nil if it goes on.
func (p *pull) status(m *nats.Msg) error {
	code, says := m.Header.Get("Status"), m.Header.Get("Description")
	switch code {
	case "404", "408":
		return errNone
	case "409":
		switch strings.ToLower(says) {
		case "consumer deleted":
			return errTaken
		case "server shutdown":
			return errors.New("the hub's server was stopped")
		}
		return fmt.Errorf("the hub has given up this host's consumer (%s): another host with this name may be connected", strings.ToLower(says))
	case "503":
		return errors.New("the hub does not have this host's consumer: it has no stream, or no JetStream")
	}
	return nil
}

// message is one of the stream.
type message struct {
	end
	data        []byte
	consumerSeq uint64
	behind      int // so many wait behind it
}

// parse returns a message of a stream; false for all that is none, such as a status.
func parse(m *nats.Msg, stream string) (message, bool) {
	if !strings.HasPrefix(m.Reply, "$JS.ACK.") {
		return message{}, false
	}
	meta, err := m.Metadata()
	if err != nil || meta.Stream != stream {
		return message{}, false
	}
	return message{
		end: end{meta.Sequence.Stream, m.Subject, meta.Timestamp}, data: m.Data,
		consumerSeq: meta.Sequence.Consumer, behind: int(min(meta.NumPending, math.MaxInt32)),
	}, true
}
