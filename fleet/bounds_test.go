package fleet

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// TestLiesAreBounded: a hub that invents hosts, bans and reasons for ever does not fill the memory, and what a
// host says that was known before still counts.
func TestLiesAreBounded(t *testing.T) {
	h := NewHeard()
	honest := addrIn(slot, 0)
	h.Take("acme_pbx1", slot, []Said{{Addr: honest, Left: time.Hour}}, noon)
	var all [Slots][]Said
	for i := range 40 * Slots {
		a := apart(i)
		all[SlotOf(a)] = append(all[SlotOf(a)], Said{Addr: a, Left: time.Hour})
	}
	for i := range mostHosts + 100 {
		n := Name(fmt.Sprintf("x%d_y", i))
		for j := range all[i%Slots] {
			all[i%Slots][j].Why = fmt.Sprint(i, j)
		}
		h.Take(n, i%Slots, all[i%Slots], noon)
	}
	in := 0
	for _, o := range h.hosts {
		in += len(o.said)
	}
	if len(h.hosts) != mostHosts || in != mostStatements || in != h.statements || len(h.reasons.known) > mostReasons || h.Ignored() == 0 {
		t.Errorf("%d hosts, %d statements, counted as %d, %d reasons, %d ignored", len(h.hosts), in, h.statements, len(h.reasons.known), h.Ignored())
	}
	for i, want := range []bool{true, false, true} {
		said := []Said{{Addr: honest, Left: time.Hour}}
		if !want {
			said = nil
		}
		h.Take("acme_pbx1", slot, said, noon)
		if _, counts := h.Judge(trusting("acme"), honest, noon); counts != want {
			t.Errorf("%d: %v", i, counts)
		}
	}
	// There is room again when bans are taken back, and for reasons, too.
	for i := range mostHosts {
		h.Take(Name(fmt.Sprintf("x%d_y", i)), i%Slots, nil, noon)
	}
	for i := range 2*mostReasons + 10 {
		h.Take("acme_pbx1", slot, []Said{{Addr: honest, Left: time.Hour, Why: fmt.Sprint("another ", i)}}, noon)
	}
	v, _ := h.Judge(trusting("acme"), honest, noon)
	if h.statements != 1 || v.Why != fmt.Sprint("another ", 2*mostReasons+9) {
		t.Errorf("%d statements, %+v", h.statements, v)
	}
	h.Carry([]Name{"acme_pbx1"}, Said{Addr: netip.MustParseAddr("45.9.9.9"), Left: time.Hour}, noon)
	if h.statements != 2 {
		t.Errorf("%d statements after a ban was carried", h.statements)
	}
}
