package agent

import "testing"

func TestConnectionsFor(t *testing.T) {
	for descriptors, want := range map[uint64]int{0: 4, 16: 4, 48: 4, 64: 4, 96: 12, 256: 52, 304: 64, 1024: 64, 1 << 20: 64, 1<<64 - 1: 64} {
		if got := connectionsFor(descriptors, mostScrapes); got != want {
			t.Errorf("%d descriptors: %d connections, want %d", descriptors, got, want)
		}
	}
	if got := connectionsFor(2048, mostAsks); got != mostAsks {
		t.Errorf("%d connections of the socket", got)
	}
}
