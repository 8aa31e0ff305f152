package ipsetsync

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/voipbl/voipbl/cidr"
)

// TestSample: a sample has no entry twice, and is the same in whatever order and however often the
// kernel lists the entries.
func TestSample(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []cidr.Prefix
		for i := range rapid.IntRange(0, 3*sampleSize).Draw(t, "entries") {
			all = append(all, cidr.MustParsePrefix(fmt.Sprintf("10.0.%d.%d", i>>8, i&255)))
		}
		of := func(ps []cidr.Prefix) Sample {
			var s sampler
			for _, p := range ps {
				s.add(p, p.Hash())
			}
			return s.in
		}
		once := of(all)
		seen := make(map[cidr.Prefix]bool)
		for _, p := range once {
			seen[p] = slices.Contains(all, p)
		}
		if len(seen) != min(len(all), sampleSize) || len(once) != len(seen) || slices.Contains(slices.Collect(maps.Values(seen)), false) {
			t.Fatalf("of %d entries: %d, %d different: %v", len(all), len(once), len(seen), once)
		}
		if again := of(rapid.Permutation(append(all, all...)).Draw(t, "order")); !slices.Equal(again, once) {
			t.Fatalf("in another order: %v, not %v", again, once)
		}
	})
}

// TestHeaderWhile: as long as a set has its sample, its header is not read, for which the kernel
// would go through all entries.
func TestHeaderWhile(t *testing.T) {
	for _, f := range cidr.Families {
		t.Run(f.String(), func(t *testing.T) { headerWhile(t, f) })
	}
}

func headerWhile(t *testing.T, f cidr.Family) {
	k := openKernel(t)
	address := [2]string{"192.0.2.1", "2001:db8::1"}[f]
	network := [2]string{"198.51.100.0/25", "2001:db8:1::/49"}[f]
	wider := [2]string{"198.51.100.0/24", "2001:db8:1::/48"}[f]
	around := [2]string{"192.0.2.0/24", "2001:db8::/64"}[f]
	family := [2]string{"inet", "inet6"}[f]
	apply(t, k, "voip_bl", f, setOf(address, network))
	content, err := k.Content("voip_bl")
	if err != nil {
		t.Fatal(err)
	}
	sample := Sample{cidr.MustParsePrefix(address), cidr.MustParsePrefix(network)}
	if got := slices.Clone(content.Sample); len(got) != 2 || !slices.Contains(got, sample[0]) || !slices.Contains(got, sample[1]) {
		t.Fatalf("the sample is %v", got)
	}
	first := content.Header
	const asks, reads = 1 + 2, 1 // kind and both entries; the header
	for _, c := range []struct {
		what     string
		do       string
		sample   Sample
		age      time.Duration
		messages uint32
		lost     bool
		read     bool
		err      error
	}{
		{what: "as it was", sample: sample, age: time.Hour, messages: asks},
		{what: "without a sample", age: time.Hour, messages: reads, read: true},
		{what: "an old header", sample: sample, age: time.Nanosecond, messages: reads, read: true},
		{what: "another entry more", do: "add voip_bl " + around, sample: sample, age: time.Hour, messages: asks},
		{what: "an address within a wider entry", do: "del voip_bl " + address, sample: sample, age: time.Hour, messages: asks},
		{what: "a network within a wider entry", do: "add voip_bl " + wider + "\ndel voip_bl " + network, sample: sample, age: time.Hour, messages: asks + reads, lost: true, read: true},
		{what: "flushed", do: "flush voip_bl", sample: sample, age: time.Hour, messages: 2 + reads, lost: true, read: true},
		{what: "another family", do: "destroy voip_bl\ncreate voip_bl hash:net family " + [2]string{"inet6", "inet"}[f], sample: sample, age: time.Hour, messages: 1 + reads, lost: true, read: true},
		{what: "another type", do: "destroy voip_bl\ncreate voip_bl hash:ip family " + family + "\nadd voip_bl " + address, sample: sample[:1], age: time.Hour, messages: 1 + reads, lost: true, read: true},
		{what: "a list", do: "destroy voip_bl\ncreate voip_bl list:set", sample: sample, age: time.Hour, messages: 1 + reads, lost: true, read: true},
		{what: "gone", do: "destroy voip_bl", sample: sample, age: time.Hour, messages: 1 + reads, err: ErrNotFound},
	} {
		if c.do != "" {
			ipset(t, c.do+"\n", "restore")
		}
		var headers Headers
		headers.note("voip_bl", first, nil)
		seen := headers.seen["voip_bl"]
		k.Share(&headers, 0)
		before := k.seq
		h, lost, err := k.HeaderWhile("voip_bl", c.sample, c.age)
		if sent := k.seq - before; sent != c.messages || lost != c.lost || !errors.Is(err, c.err) {
			t.Errorf("%s: %d messages, lost %v (%v)", c.what, sent, lost, err)
		}
		now := headers.seen["voip_bl"]
		if read := now.read.After(seen.read); err == nil && (read != c.read || !now.held.After(seen.held) || !c.read && h != first) {
			t.Errorf("%s: read %v; %+v", c.what, read, h)
		}
	}
}

// TestHasCountsNothing: asking for an entry is no packet that matched it.
func TestHasCountsNothing(t *testing.T) {
	k := openKernel(t)
	apply(t, k, "voip_bl", cidr.IPv4, setOf("192.0.2.1", "198.51.100.0/24"))
	c, err := k.Content("voip_bl")
	if err != nil {
		t.Fatal(err)
	}
	if has, err := k.has(c.Header, c.Sample); !has || err != nil {
		t.Fatal(has, err)
	}
	if c, err := k.Content("voip_bl"); err != nil || c.Packets != 0 || c.Bytes != 0 {
		t.Errorf("%d packets, %d bytes (%v)", c.Packets, c.Bytes, err)
	}
}

// TestConfirm: only the header that was read last is confirmed.
func TestConfirm(t *testing.T) {
	var headers Headers
	headers.confirm(Header{Name: "a"})
	if _, known := headers.recent("a", time.Hour); known {
		t.Error("one that was never read is known")
	}
	headers.note("a", Header{Name: "a", Elements: 2}, nil)
	before := headers.seen["a"]
	headers.confirm(Header{Name: "a", Elements: 1})
	if headers.seen["a"] != before {
		t.Error("another is confirmed")
	}
	headers.confirm(before.header)
	if now := headers.seen["a"]; !now.held.After(before.held) || now.read != before.read {
		t.Error("it is not confirmed")
	}
}
