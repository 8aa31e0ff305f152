package firewall

import (
	"context"
	"sync"

	"github.com/voipbl/voipbl/iptables"
)

// moment keeps the listings of one command.
type moment struct {
	mu     sync.Mutex
	listed map[Backend][2]*iptables.Saved
	begun  map[Backend]*listing // started, and not yet asked for
}

type momentKey struct{}

// AtOneMoment returns a context for a command. With it, [Firewall.Read] returns its last listing,
// with the counters of that time, as long as the kernel says that no rule has changed. So all
// answers are from one listing, which is made once; [Firewall.Apply] lists again if it has to
// pass counters on.
func AtOneMoment(ctx context.Context) context.Context {
	if momentOf(ctx) != nil {
		return ctx
	}
	return context.WithValue(ctx, momentKey{}, &moment{listed: make(map[Backend][2]*iptables.Saved), begun: make(map[Backend]*listing)})
}

// anew returns the context without its moment.
func anew(ctx context.Context) context.Context {
	return context.WithValue(ctx, momentKey{}, (*moment)(nil))
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

// keep keeps a listing, and reports whether it still holds: if not, it is not kept.
func (m *moment) keep(fw *Firewall, saved [2]*iptables.Saved) bool {
	if m == nil || !fw.holds(saved) {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.listed[fw.Backend] = saved
	return true
}

// Begin starts the listing that the next [Firewall.Read] with the same [AtOneMoment] asks for, so
// that it is made while the caller does something else. It counts only if no rule has changed
// when it is asked for. Without AtOneMoment, or if the kernel cannot tell that, it does nothing.
// Whoever made the context calls [EndMoment].
func (fw *Firewall) Begin(ctx context.Context) {
	m := momentOf(ctx)
	if m == nil {
		return
	}
	if _, known := m.recall(fw); known {
		return
	}
	l := fw.newListing()
	if l.generation == "" {
		return
	}
	l.start(ctx, fw, iptables.Families[:])
	m.mu.Lock()
	defer m.mu.Unlock()
	m.begun[fw.Backend] = l
}

// EndMoment stops the listings that nobody has asked for.
func EndMoment(ctx context.Context) {
	m := momentOf(ctx)
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.begun {
		l.stop()
	}
	clear(m.begun)
}

// begunBy returns the listing that has been started, if nobody has asked for it yet.
func (m *moment) begunBy(fw *Firewall) *listing {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.begun[fw.Backend]
	delete(m.begun, fw.Backend)
	return l
}
