package blocklist

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/state"
)

// TestWatchSets: what a Watch says of sets is what reading all of them says, whoever has changed them
// since it last looked.
func TestWatchSets(t *testing.T) {
	t.Run("headers are read", func(t *testing.T) { watchSets(t, CheapHeader) })
	t.Run("headers are remembered", func(t *testing.T) { watchSets(t, 0) })
}

func watchSets(t *testing.T, cheap uint32) {
	enterInPieces(t)
	kernel, err := ipsetsync.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer kernel.Close()
	var headers ipsetsync.Headers
	w := NewWatch(&headers)
	w.cheap = cheap
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	run(t, "", "ipset create voip_ban hash:net timeout 0 counters maxelem 1048576; ipset add voip_ban 8.8.8.8")
	var print state.SetPrint
	written := func() { // by voipbl
		c, err := kernel.Content("voip_bl")
		if err != nil {
			t.Fatal(err)
		}
		print = state.SetPrint{
			Name: "voip_bl", Maxelem: c.Maxelem, Elements: c.Elements, Memory: c.Memory, Digest: state.DigestText(c.Digest),
			Own: int(c.Elements), Lengths: cidr.WhichLengths(c.Lengths), OwnLengths: cidr.WhichLengths(c.Lengths),
		}
	}
	glance := func() { // by the agent
		if cheap > 0 {
			return // it is not needed
		}
		kernel.Share(&headers, 0)
		defer kernel.Share(nil, 0)
		kernel.Header("voip_bl") // or there is none
	}
	for _, step := range []struct {
		what string
		do   string
		then func()
	}{
		{what: "without a record"},
		{what: "as written", then: written},
		{what: "flushed", do: "ipset flush voip_bl", then: glance},
		{what: "written again", do: "ipset create new hash:net counters; ipset add new 4.4.4.4; ipset swap new voip_bl", then: written},
		{what: "an entry more", do: "ipset add voip_bl 4.4.5.0/25", then: glance},
		{what: "the same entries in another set", do: "ipset save voip_bl | sed 's/voip_bl/other/; s/ counters/ counters timeout 0/' | ipset restore; ipset swap other voip_bl", then: glance},
		{what: "a ban", do: "ipset add voip_ban 8.8.0.0/16"},
		{what: "another type", do: "iptables -F; ipset destroy voip_bl; ipset create voip_bl hash:ip counters; ipset add voip_bl 4.4.4.5"},
		{what: "gone", do: "ipset destroy voip_bl; ipset destroy voip_ban"},
	} {
		if step.what == "an entry more" { // a set that is as written is not read: this would tell
			other := print
			other.Digest, other.Own = state.DigestText(1), 1000
			if s, err := w.list("voip_bl", cidr.IPv4, other); err != nil || s.Changed || s.Entries != 1000 {
				t.Errorf("%v: %+v", err, s)
			}
		}
		if step.do != "" {
			run(t, "", step.do)
		}
		if step.then != nil {
			step.then()
		}
		for range 2 { // the second time it remembers
			list, err := w.list("voip_bl", cidr.IPv4, print)
			list2, err2 := wholeSets{kernel}.list("voip_bl", cidr.IPv4, print)
			ban, err3 := w.bans("voip_ban", cidr.IPv4)
			ban2, err4 := wholeSets{kernel}.bans("voip_ban", cidr.IPv4)
			for _, err := range []error{err, err2, err3, err4} {
				if err != nil && !errors.Is(err, ipsetsync.ErrNotFound) {
					t.Errorf("%s: %v", step.what, err)
				}
			}
			list.Packets, list.Bytes = list2.Packets, list2.Bytes // not told by metrics
			if diff := cmp.Diff(list2, list, cmp.AllowUnexported(SetStatus{})) + cmp.Diff(ban2, ban, cmp.AllowUnexported(SetStatus{})); diff != "" {
				t.Errorf("%s (-all +watch):\n%s", step.what, diff)
			}
		}
	}
}
