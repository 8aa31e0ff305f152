// Package procself finds the folder in /proc for the calling thread. It reads nothing there. Packages
// that read /proc/net use it; it imports nothing of voipbl.
package procself

import "sync/atomic"

// mixed is true if threads of this process are in different network namespaces.
var mixed atomic.Bool

// Mixed says that threads of this process are in different network namespaces from now on. Only tests
// do that: voipbl's threads are all where the process began.
func Mixed() { mixed.Store(true) }

// OneNamespace reports whether all threads are in the network namespace in which the process began.
func OneNamespace() bool { return !mixed.Load() }

// Name returns the folder in /proc whose net and ns/net are those of the calling thread: "self", or
// "thread-self" after [Mixed].
//
// "thread-self" would always be right, but makes the kernel keep a folder for the thread.
// When the process ends, its parent and its last thread both remove such folders, and one of
// them spins meanwhile: 1 to 3 ms of processor time on average, up to 10 (Linux 6.18, a
// process with 8 threads, on a busy machine).
func Name() string {
	if OneNamespace() {
		return "self"
	}
	return "thread-self"
}
