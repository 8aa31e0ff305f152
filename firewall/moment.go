package firewall

import (
	"context"
	"sync"

	"github.com/voipbl/voipbl/iptables"
)

// moment are the listings of a command that asks how things are.
type moment struct {
	mu     sync.Mutex
	listed map[Backend][2]*iptables.Saved
}

type momentKey struct{}

// AtOneMoment is for a command that asks how things are, and changes nothing: as long as the
// kernel says that no rule has changed, [Firewall.Read] returns what it has read before, with
// the counters of then. All answers are of one listing, and that is made once.
func AtOneMoment(ctx context.Context) context.Context {
	if momentOf(ctx) != nil {
		return ctx
	}
	return context.WithValue(ctx, momentKey{}, &moment{listed: make(map[Backend][2]*iptables.Saved)})
}

// momentOf is nil where nothing is kept.
func momentOf(ctx context.Context) *moment {
	m, _ := ctx.Value(momentKey{}).(*moment)
	return m
}

// recall returns a listing that is still true.
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
