package ipsetsync

import (
	"errors"
	"testing"
	"time"

	"github.com/voipbl/voipbl/cidr"
)

// TestShare: a header that was read a moment ago is not read again, for which the kernel would go
// through all entries. One message finds out that the set is still there.
func TestShare(t *testing.T) {
	k := openKernel(t)
	apply(t, k, "voip_bl", cidr.IPv4, setOf("192.0.2.1"))
	var headers Headers
	k.Share(&headers, time.Hour)
	first, err := k.Header("voip_bl")
	if err != nil {
		t.Fatal(err)
	}
	ipset(t, "add voip_bl 192.0.2.9\n", "restore")
	for what, c := range map[string]struct {
		age      time.Duration
		messages uint32
		elements uint32
	}{
		"remembered": {time.Hour, 1, 1},
		"too old":    {time.Nanosecond, 1, 2},
		"always":     {0, 1, 2},
	} {
		headers.note("voip_bl", first, nil)
		k.Share(&headers, c.age)
		before := k.seq
		h, err := k.Header("voip_bl")
		if err != nil || h.Elements != c.elements || k.seq-before != c.messages {
			t.Errorf("%s: %d entries by %d messages (%v)", what, h.Elements, k.seq-before, err)
		}
	}
	headers.note("voip_bl", first, nil)
	k.Share(&headers, time.Hour)
	ipset(t, "destroy voip_bl\n", "restore")
	if _, err := k.Header("voip_bl"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a set that is gone: %v", err)
	}
	ipset(t, "create voip_bl hash:ip\n", "restore")
	if h, err := k.Header("voip_bl"); err != nil || h.Type != "hash:ip" {
		t.Errorf("another set: %+v, %v", h, err)
	}
}
