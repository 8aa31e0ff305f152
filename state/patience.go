package state

import (
	"context"
	"errors"
	"sync"
	"time"
)

// patience is how one command waits for the agent: it says that it is waiting, and does
// not wait a second time for an agent that gave no answer.
type patience struct {
	waiting func(agent string)

	mu     sync.Mutex
	told   bool
	silent *SilentAgentError
	since  time.Time // when the agent gave no answer
}

type patienceKey struct{}

// tellAfter is how long the agent may take before the command says that it is waiting. A
// working agent answers in a few milliseconds.
const tellAfter = 200 * time.Millisecond

// staysSilent is for how long an agent that gave no answer is not asked again. "voipbl top"
// may run for hours, and the agent may recover.
const staysSilent = 10 * time.Second

// WithPatience returns a context for one command. waiting is called once when the agent
// is slow, with a description of the agent.
func WithPatience(ctx context.Context, waiting func(agent string)) context.Context {
	return context.WithValue(ctx, patienceKey{}, &patience{waiting: waiting})
}

// patienceOf returns the patience of a context, or a new one.
func patienceOf(ctx context.Context) *patience {
	if p, ok := ctx.Value(patienceKey{}).(*patience); ok {
		return p
	}
	return &patience{}
}

// lost returns the error if the agent gave no answer before, or nil.
func (p *patience) lost() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silent == nil || time.Since(p.since) > staysSilent {
		return nil
	}
	return p.silent
}

// note records that the agent did not answer a request that needs no work.
func (p *patience) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if errors.As(err, &p.silent) {
		p.since = time.Now()
	}
}

// begin calls waiting after tellAfter, unless end is called before.
func (p *patience) begin(agent string) (end func()) {
	if p.waiting == nil {
		return func() {}
	}
	ended := false
	timer := time.AfterFunc(tellAfter, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !ended && !p.told {
			p.told = true
			p.waiting(agent)
		}
	})
	return func() {
		timer.Stop()
		p.mu.Lock()
		defer p.mu.Unlock()
		ended = true
	}
}
