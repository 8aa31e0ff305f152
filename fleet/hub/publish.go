package hub

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/voipbl/voipbl/fleet/keys"
)

// publishPoll is how often the stream is looked at until it has a document: it acknowledges none.
const publishPoll = 20 * time.Millisecond

// PublishDocument puts a document of the operator's in the place of the one that the hub has, and returns
// once the hub has it. may is asked first, with the one that is there; nil if there is none. creds are
// those of the operator's user for that.
func PublishDocument(ctx context.Context, urls []string, creds, text []byte, may func(now []byte) error) error {
	m, err := memberOf(creds, serverAPI)
	if err != nil {
		return err
	}
	nc, _, err := dial(ctx, urls, m, func(error) {}, func(error) {})
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.NewWithAPIPrefix(nc, m.api)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	stream, err := js.Stream(ctx, keys.Stream)
	for errors.Is(err, jetstream.ErrStreamNotFound) && sleep(ctx, publishPoll) == nil { // its keeper may have just begun
		stream, err = js.Stream(ctx, keys.Stream)
	}
	if err != nil {
		return asked("about its stream", err)
	}
	for published := false; ; {
		last, err := stream.GetLastMsgForSubject(ctx, documentSubject)
		var now []byte
		switch {
		case err == nil:
			now = last.Data
		case !errors.Is(err, jetstream.ErrMsgNotFound):
			return asked("for the document", err)
		}
		if now != nil && bytes.Equal(now, text) {
			return nil
		}
		if !published {
			if err := may(now); err != nil {
				return err
			}
			if err := nc.Publish(documentSubject, text); err != nil {
				return err
			}
			published = true
		}
		if err := sleep(ctx, publishPoll); err != nil {
			return asked("to take the document", err)
		}
	}
}
