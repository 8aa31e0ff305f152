package portrange

import (
	"fmt"
	"slices"
	"testing"
)

func TestRange(t *testing.T) {
	sip := Range{5060, 5061}
	for _, c := range []struct {
		o                Range
		covers, overlaps bool
	}{
		{sip, true, true},
		{Range{5061, 5061}, true, true},
		{Range{5061, 5062}, false, true},
		{Range{5059, 5060}, false, true},
		{Range{5062, 5062}, false, false},
		{All, false, true},
	} {
		if sip.Covers(c.o) != c.covers || sip.Overlaps(c.o) != c.overlaps || c.o.Overlaps(sip) != c.overlaps {
			t.Errorf("%v and %v: covers %v, overlaps %v", sip, c.o, sip.Covers(c.o), sip.Overlaps(c.o))
		}
	}
	if got := fmt.Sprint(sip, Range{22, 22}); got != "5060:5061 22" {
		t.Errorf("%q", got)
	}
	if got := Within([]Range{{1, 5060}, {5061, 5061}, {5063, 9000}}, sip); !slices.Equal(got, []Range{{5060, 5060}, {5061, 5061}}) {
		t.Errorf("within %v: %v", sip, got)
	}
	for want, than := range map[string][]Range{
		"[0:5059 5062:65535]": {sip, {5061, 5061}},
		"[1:65534]":           {{65535, 65535}, {0, 0}},
		"[65535]":             {{0, 65534}},
		"[]":                  {{0, 9}, {10, 65535}},
	} {
		if got := fmt.Sprint(Others(than)); got != want {
			t.Errorf("others than %v: %s, not %s", than, got, want)
		}
	}
	for port, in := range map[uint16]bool{5059: false, 5060: true, 5061: true, 5062: false} {
		if sip.Has(port) != in {
			t.Errorf("%v has %d: %v", sip, port, !in)
		}
	}
}

func TestOf(t *testing.T) {
	o := Of{}
	for _, r := range []Range{{0, 21}, {22, 22}, {24, 65535}} {
		o.Add("tcp", r)
	}
	if want := []Range{{0, 22}, {24, 65535}}; !slices.Equal(o["tcp"], want) {
		t.Errorf("%v, want %v", o["tcp"], want)
	}
	o = Of{"tcp": {All}, "udp": {{0, 1}}}
	if o.Every() {
		t.Errorf("%v are all ports", o)
	}
	if o.Add("udp", Range{2, 65535}); !o.Every() {
		t.Errorf("%v are not all ports", o)
	}
}
