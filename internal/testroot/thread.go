package testroot

import "runtime"

// Thread is an operating system thread that runs only the functions given to it. It can
// have its own mounts, and processes that it starts can be made to end with it. It is
// in the machine's network namespace even if the calling goroutine has entered another:
// the runtime starts new threads from a clean one.
type Thread struct {
	work chan func()
}

// NewThread starts a thread.
func NewThread() *Thread {
	th := &Thread{work: make(chan func())}
	go func() {
		runtime.LockOSThread() // never unlocked, so the thread ends with the function
		for f := range th.work {
			f()
		}
	}()
	return th
}

// Do runs f in the thread and waits for it.
func (th *Thread) Do(f func() error) error {
	err := make(chan error)
	th.work <- func() { err <- f() }
	return <-err
}

// End ends the thread and all that is bound to it.
func (th *Thread) End() { close(th.work) }
