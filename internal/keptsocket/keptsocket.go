// Package keptsocket keeps sockets to the kernel open for the next question. A socket stays in the
// network namespace in which it was opened, so where threads are in several, each question has its own.
package keptsocket

import (
	"sync"

	"github.com/voipbl/voipbl/internal/procself"
)

// Kept is sockets that all ask the same part of the kernel. Several goroutines may use it.
type Kept[T any] struct {
	Open  func() (T, error)
	Close func(T)

	mu   sync.Mutex
	free []T
}

// most is how many are kept. More than this many questions at once are rare.
const most = 2

// Use calls ask with a socket that nobody else uses meanwhile. One of which ask returns an error is
// closed, since another answer may be on its way.
func (k *Kept[T]) Use(ask func(T) error) error {
	socket, known := k.take()
	if !known {
		var err error
		if socket, err = k.Open(); err != nil {
			return err
		}
	}
	err := ask(socket)
	if err != nil || !k.keep(socket) {
		k.Close(socket)
	}
	return err
}

func (k *Kept[T]) take() (socket T, known bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := len(k.free)
	if n == 0 || !procself.OneNamespace() {
		return socket, false
	}
	socket = k.free[n-1]
	k.free = k.free[:n-1]
	return socket, true
}

func (k *Kept[T]) keep(socket T) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.free) == most || !procself.OneNamespace() {
		return false
	}
	k.free = append(k.free, socket)
	return true
}
