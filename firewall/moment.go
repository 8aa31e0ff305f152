package firewall

import (
	"context"
	"sync"

	"github.com/voipbl/voipbl/iptables"
)

// moment keeps the listings of one command that only looks.
type moment struct {
	mu     sync.Mutex
	listed map[Backend][2]*iptables.Saved
}

type momentKey struct{}

// AtOneMoment returns a context for a command that looks and changes nothing. With it,
// [Firewall.Read] returns its last listing, with the counters of that time, as long as the kernel
// says that no rule has changed. So all answers are from one listing, which is made once.
func AtOneMoment(ctx context.Context) context.Context {
	if momentOf(ctx) != nil {
		return ctx
	}
	return context.WithValue(ctx, momentKey{}, &moment{listed: make(map[Backend][2]*iptables.Saved)})
}

// momentOf returns the context's moment, or nil if listings are not kept.
func momentOf(ctx context.Context) *moment {
	m, _ := ctx.Value(momentKey{}).(*moment)
	return m
}

// recall returns a listing that still holds.
func (m *moment) recall(fw *Firewall) (saved [2]*iptables.Saved, ok bool) {
	if m == nil {
		return saved, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	saved, ok = m.listed[fw.Backend]
	return saved, ok && fw.holds(saved)
}

func (m *moment) keep(fw *Firewall, saved [2]*iptables.Saved) {
	if m == nil || !fw.holds(saved) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.listed[fw.Backend] = saved
}
