package testhost

import (
	"fmt"
	"runtime"

	"github.com/vishvananda/netns"
)

// InNetwork runs f in a network namespace of the host, which its file names, such as
// /run/netns/outside. Sockets that f opens stay there.
func (h *Host) InNetwork(file string, f func()) {
	h.t.Helper()
	init := h.current.Load().up()
	if init == nil {
		h.t.Fatal("the host is down")
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread is spoilt
		ns, err := netns.GetFromPath(fmt.Sprintf("/proc/%d/root%s", init.pid, file))
		if err == nil {
			defer ns.Close()
			err = netns.Set(ns)
		}
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		h.t.Fatalf("enter %s: %v", file, err)
	}
}

// Network is the file of the host's network namespace, by which a test wires hosts together. It changes with
// each boot.
func (h *Host) Network() string {
	h.t.Helper()
	init := h.current.Load().up()
	if init == nil {
		h.t.Fatal("the host is down")
	}
	return fmt.Sprintf("/proc/%d/ns/net", init.pid)
}
