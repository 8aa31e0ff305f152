package testroot

import "runtime"

// Thread is an operating system's thread that does only what it is given. It
// can have mounts of its own, and a process that it starts can be bound to its
// life. It has the machine's network namespace even if the goroutine that asks
// for it has entered another: the runtime makes new threads from a clean one.
type Thread struct {
	work chan func()
}

// NewThread starts one.
func NewThread() *Thread {
	th := &Thread{work: make(chan func())}
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the work
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

// End ends the thread, and with it all that is bound to it.
func (th *Thread) End() { close(th.work) }
