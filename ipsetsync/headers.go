package ipsetsync

import (
	"errors"
	"sync"
	"time"
)

// Headers remembers the headers of sets, since the kernel goes through all entries for each. It
// may be used by several goroutines.
type Headers struct {
	mu   sync.Mutex
	seen map[string]seenHeader
}

type seenHeader struct {
	header Header
	read   time.Time // from the kernel
	held   time.Time // when it was last known to hold
}

// note remembers what the kernel has answered about a set.
func (m *Headers) note(name string, h Header, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if errors.Is(err, ErrNotFound) {
		delete(m.seen, name)
	}
	if err != nil {
		return
	}
	if m.seen == nil {
		m.seen = make(map[string]seenHeader)
	}
	now := time.Now()
	m.seen[name] = seenHeader{h, now, now}
}

// recent returns a header that was known to hold at most so long ago.
func (m *Headers) recent(name string, age time.Duration) (Header, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, known := m.seen[name]
	return s.header, known && time.Since(s.held) < age
}

// readWithin returns a header that was read at most so long ago.
func (m *Headers) readWithin(name string, age time.Duration) (Header, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, known := m.seen[name]
	return s.header, known && time.Since(s.read) < age
}

// confirm notes that a header still holds, if no other was read meanwhile.
func (m *Headers) confirm(h Header) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.seen[h.Name]; s.header == h {
		s.held = time.Now()
		m.seen[h.Name] = s
	}
}

// Share has k remember the headers that it reads in m. [Kernel.Header] returns what m has if that
// is at most so old and the kernel still has a set of that type; an age of 0 always reads.
func (k *Kernel) Share(m *Headers, age time.Duration) { k.headers, k.age = m, age }

// recall returns a set's header if it is remembered and still holds as far as is known for little.
func (k *Kernel) recall(name string) (Header, bool) {
	if k.headers == nil || k.age == 0 {
		return Header{}, false
	}
	h, known := k.headers.recent(name, k.age)
	if !known {
		return Header{}, false
	}
	kind, err := k.Kind(name)
	return h, err == nil && sameKind(kind, h)
}

// sameKind compares what [Kernel.Kind] tells.
func sameKind(a, b Header) bool {
	return a.Type == b.Type && a.Family == b.Family && a.Revision == b.Revision
}

// note remembers what the kernel has answered about a set, if k shares headers.
func (k *Kernel) note(name string, h Header, err error) {
	if k.headers != nil {
		k.headers.note(name, h, err)
	}
}

// HeaderNow is [Kernel.Header] for a caller that cannot do with a remembered one.
func (k *Kernel) HeaderNow(name string) (Header, error) {
	live, err := k.list("header", name, headerRequest(name), listing{})
	var h Header
	if err == nil {
		h = live.Header
	}
	k.note(name, h, err)
	return h, err
}
