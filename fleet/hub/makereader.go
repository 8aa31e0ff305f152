package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/voipbl/voipbl/fleet/keys"
)

// readerForm is how the reader of a host is to be, which begins at a message of the stream, or at its
// first one if that is 0.
func readerForm(key string, from uint64) jetstream.ConsumerConfig {
	c := jetstream.ConsumerConfig{
		Name: key, DeliverPolicy: jetstream.DeliverAllPolicy, AckPolicy: jetstream.AckNonePolicy,
		InactiveThreshold: inactive, MemoryStorage: true, MaxWaiting: mostRequests,
	}
	if from > 0 {
		c.DeliverPolicy, c.OptStartSeq = jetstream.DeliverByStartSequencePolicy, from
	}
	return c
}

// makeAtOnce is how many readers the keeper has made at once. More would not be faster: the server makes
// one after another.
const makeAtOnce = 32

// A maker makes the readers that hosts ask for. Of a request, where to begin is all that counts.
type maker struct {
	nc   *nats.Conn
	free chan struct{} // as many as may be made now

	mu     sync.Mutex
	making map[string]bool // by key: a host has one request at a time
}

// makeReaders answers requests for readers until the subscription that it returns ends. Of several keepers, one
// answers.
func makeReaders(ctx context.Context, nc *nats.Conn) (*nats.Subscription, error) {
	m := &maker{nc: nc, free: make(chan struct{}, makeAtOnce), making: make(map[string]bool)}
	return nc.QueueSubscribe(keys.ReaderRequests+"*", "keepers", func(ask *nats.Msg) { m.take(ctx, ask) })
}

// take begins with a request. While it waits for another one to be answered, requests wait in memory, as
// many as hosts there are.
func (m *maker) take(ctx context.Context, ask *nats.Msg) {
	key := strings.TrimPrefix(ask.Subject, keys.ReaderRequests)
	if !m.begin(key) {
		_ = ask.Respond(notMade(429, "another request for this reader is not answered yet"))
		return
	}
	go func() {
		defer m.end(key)
		select {
		case m.free <- struct{}{}:
			defer func() { <-m.free }()
		case <-ctx.Done():
			return
		}
		_ = ask.Respond(m.make(ctx, key, ask.Data)) // who asked may be gone
	}()
}

func (m *maker) begin(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.making[key] {
		return false
	}
	m.making[key] = true
	return true
}

func (m *maker) end(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.making, key)
}

// readerRequest is JetStream's for a consumer.
type readerRequest struct {
	Stream string                   `json:"stream_name"`
	Config jetstream.ConsumerConfig `json:"config"`
	Action string                   `json:"action"`
}

// make has the server make a reader, and returns its answer.
func (m *maker) make(ctx context.Context, key string, asked []byte) []byte {
	var from struct {
		Config struct {
			Start uint64 `json:"opt_start_seq"`
		} `json:"config"`
	}
	if err := json.Unmarshal(asked, &from); err != nil {
		return notMade(400, "the request for a reader is not understood")
	}
	text, err := json.Marshal(readerRequest{keys.Stream, readerForm(key, from.Config.Start), "create"})
	if err != nil {
		return notMade(500, err.Error())
	}
	ctx, cancel := context.WithTimeout(ctx, attachIn)
	defer cancel()
	answer, err := m.nc.RequestWithContext(ctx, serverAPI+".CONSUMER.CREATE."+keys.Stream+"."+key, text)
	if err != nil {
		return notMade(503, fmt.Sprintf("the keeper, asked for a reader: %v", err))
	}
	return answer.Data
}

// notMade is the answer to a request that was not passed on, in the words of JetStream.
func notMade(code int, why string) []byte {
	var answer struct {
		Type  string             `json:"type"`
		Error jetstream.APIError `json:"error"`
	}
	answer.Type, answer.Error = "io.nats.jetstream.api.v1.consumer_create_response", jetstream.APIError{Code: code, Description: why}
	text, err := json.Marshal(answer)
	if err != nil {
		panic(err) // cannot fail: plain data
	}
	return text
}
