package hub

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/voipbl/voipbl/fleet/keys"
)

const (
	// A host asks for its reader again after firstAskAgain without an answer, and after up to lastAskAgain
	// then: the keeper may not be connected yet, and nobody keeps the request for it.
	firstAskAgain = time.Second
	lastAskAgain  = 8 * time.Second
)

// askReader asks the keeper for a host's reader, which begins at a message of the stream.
func askReader(ctx context.Context, nc *nats.Conn, m member, from uint64) (*jetstream.ConsumerInfo, error) {
	text, err := json.Marshal(readerRequest{keys.Stream, readerForm(m.consumer, from), "create"})
	if err != nil {
		return nil, err
	}
	inbox := nc.NewInbox()
	answers, err := nc.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer answers.Unsubscribe()
	for wait := firstAskAgain; ; wait = min(2*wait, lastAskAgain) {
		if err := nc.PublishRequest(m.api+".CONSUMER.CREATE."+keys.Stream+"."+m.consumer, inbox, text); err != nil {
			return nil, err
		}
		made, err := readerAnswer(ctx, answers, wait)
		if made != nil || err != nil {
			return made, err
		}
	}
}

// readerAnswer waits for the answer; nil if it is time to ask again.
func readerAnswer(ctx context.Context, answers *nats.Subscription, wait time.Duration) (*jetstream.ConsumerInfo, error) {
	within, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		msg, err := answers.NextMsgWithContext(within)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.Is(err, context.DeadlineExceeded):
			return nil, nil
		case errors.Is(err, nats.ErrNoResponders):
			<-within.Done()
			continue
		case err != nil:
			return nil, err
		}
		var answer struct {
			Error *jetstream.APIError `json:"error"`
			jetstream.ConsumerInfo
		}
		if err := json.Unmarshal(msg.Data, &answer); err != nil {
			return nil, err
		}
		switch {
		case answer.Error == nil:
			return &answer.ConsumerInfo, nil
		case answer.Error.Code != http.StatusTooManyRequests: // that says that the answer to an earlier request is to come
			return nil, answer.Error
		}
	}
}
