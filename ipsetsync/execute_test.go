package ipsetsync

import (
	"errors"
	"testing"

	"github.com/voipbl/voipbl/cidr"
)

// TestReadBackIsChecked: a set is never switched if its header or its number of entries
// reads back wrong. Kernels ignore options that they do not know.
func TestReadBackIsChecked(t *testing.T) {
	s := Step{Set: "voip_bl-next", Entries: 3, Maxelem: 1 << 20}
	good := Header{Type: TypeHashNet, Family: cidr.IPv4, Maxelem: 1 << 20, Counters: true}
	if err := s.checkCreated(cidr.IPv4, good); err != nil {
		t.Error(err)
	}
	for what, change := range map[string]func(*Header){
		"another type":         func(h *Header) { h.Type = "hash:ip" },
		"the other family":     func(h *Header) { h.Family = cidr.IPv6 },
		"room for fewer":       func(h *Header) { h.Maxelem = 65536 },
		"room for more":        func(h *Header) { h.Maxelem = 1 << 21 },
		"no counters":          func(h *Header) { h.Counters = false },
		"entries from nowhere": func(h *Header) { h.Elements = 1 },
	} {
		h := good
		change(&h)
		if err := s.checkCreated(cidr.IPv4, h); !errors.Is(err, errWrongContent) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for entries := range uint32(6) {
		h := good
		h.Elements = entries
		if err := s.checkCount(h); (err == nil) != (entries == 3) || err != nil && !errors.Is(err, errWrongContent) {
			t.Errorf("%d entries, where there are to be 3: %v", entries, err)
		}
	}
}
