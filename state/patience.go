package state

import (
	"context"
	"errors"
	"sync"
	"time"
)

// patience is how one command waits for the agent: it says that it waits, and it does not
// wait a second time for one that gave no answer.
type patience struct {
	waiting func(agent string)

	mu     sync.Mutex
	told   bool
	silent *SilentAgentError
	since  time.Time // when that was found
}

type patienceKey struct{}

// tellAfter is how long the agent may take before somebody is told that it is waited for.
// One that works answers in a few milliseconds.
const tellAfter = 200 * time.Millisecond

// staysSilent is for how long an agent that gave no answer is not asked again: "voipbl top"
// goes on for hours, and the agent may come back.
const staysSilent = 10 * time.Second

// WithPatience is a context for one command. waiting is called once, as soon as the agent
// is slow to answer, with what is known of it.
func WithPatience(ctx context.Context, waiting func(agent string)) context.Context {
	return context.WithValue(ctx, patienceKey{}, &patience{waiting: waiting})
}

// patienceOf is that of a command, or one that is used once.
func patienceOf(ctx context.Context) *patience {
	if p, ok := ctx.Value(patienceKey{}).(*patience); ok {
		return p
	}
	return &patience{}
}

// lost is how the agent was found not to answer before, or nil.
func (p *patience) lost() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silent == nil || time.Since(p.since) > staysSilent {
		return nil
	}
	return p.silent
}

// note keeps that the agent did not answer what needs no work.
func (p *patience) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if errors.As(err, &p.silent) {
		p.since = time.Now()
	}
}

// begin tells after a moment that the agent is waited for, unless end is called before.
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
