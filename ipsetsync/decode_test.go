package ipsetsync

import (
	"errors"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/cidr"
)

// message builds what the kernel sends about a set.
func message(name, typ string, family uint8, header, entries func(*encoder)) []byte {
	e := newEncoder(unix.AF_INET, smallMessage)
	e.str(attrSetname, name)
	e.str(attrTypename, typ)
	e.u8(attrFamily, family)
	e.u8(attrRevision, 6)
	if header != nil {
		data := e.open(attrData)
		header(e)
		e.close(data)
	}
	if entries != nil {
		adt := e.open(attrADT)
		entries(e)
		e.close(adt)
	}
	return e.b[nlmsgHeaderLength:]
}

func TestDecodeInTwoMessages(t *testing.T) {
	p, q := cidr.MustParsePrefix("192.0.2.0/24"), cidr.MustParsePrefix("198.51.100.7")
	first := message("a", TypeHashNet, unix.AF_INET, func(e *encoder) {
		e.be32(attrHashsize, 1024)
		e.be32(attrMaxelem, 65536)
		e.be32(attrCADTFlags, flagWithCounters|flagWithComment)
		e.be32(attrReferences, 2)
		e.be32(attrMemsize, 300)
		e.be32(attrElements, 2)
		e.be32(attrTimeout, 0)
	}, func(e *encoder) { e.entry(p, Count{p, 3, 4}, 0) })
	second := message("a", TypeHashNet, unix.AF_INET, nil, func(e *encoder) { e.entry(q, Count{}, 1) })
	l := listing{entries: true}
	if err := errors.Join(l.add(first), l.add(second)); err != nil {
		t.Fatal(err)
	}
	if len(l.sets) != 1 {
		t.Fatalf("%d sets", len(l.sets))
	}
	want := Header{Name: "a", Type: TypeHashNet, Revision: 6, Hashsize: 1024, Maxelem: 65536, References: 2, Memory: 300, Elements: 2, Counters: true, Comment: true, Timeout: true}
	if l.sets[0].Header != want {
		t.Errorf("header %+v, want %+v", l.sets[0].Header, want)
	}
	if !slices.Equal(l.sets[0].Prefixes, []cidr.Prefix{p, q}) || !slices.Equal(l.sets[0].Counts, []Count{{p, 3, 4}}) {
		t.Errorf("entries %v, counts %v", l.sets[0].Prefixes, l.sets[0].Counts)
	}
}

func TestDecodeRefusesNonsense(t *testing.T) {
	good := message("a", TypeHashNet, unix.AF_INET, nil, func(e *encoder) { e.entry(cidr.MustParsePrefix("192.0.2.0/24"), Count{}, 0) })
	l := listing{entries: true}
	if err := l.add(good); err != nil {
		t.Fatal(err)
	}
	wrongFamily := message("a", TypeHashNet, unix.AF_INET6, nil, func(e *encoder) { e.entry(cidr.MustParsePrefix("192.0.2.0/24"), Count{}, 0) })
	noName := newEncoder(unix.AF_INET, smallMessage)
	noName.u8(attrFamily, unix.AF_INET)
	noEntryName := newEncoder(unix.AF_INET, smallMessage)
	noEntryName.close(noEntryName.open(attrADT))
	shortNumber := message("a", TypeHashNet, unix.AF_INET, func(e *encoder) { e.u8(attrMaxelem, 1) }, nil)
	for name, b := range map[string][]byte{
		"empty":            {},
		"cut attribute":    good[:len(good)-1],
		"cut header":       good[:sizeofNfGenMsg+2],
		"other family":     wrongFamily,
		"no name":          noName.b[nlmsgHeaderLength:],
		"entries, no name": noEntryName.b[nlmsgHeaderLength:],
		"short number":     shortNumber,
	} {
		l := listing{entries: true}
		if err := l.add(b); !errors.Is(err, errMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzDecode: whatever message arrives, nothing panics, every entry is of the set's
// family, and a decoded entry is the same after it is encoded and decoded again.
func FuzzDecode(f *testing.F) {
	p, q := cidr.MustParsePrefix("192.0.2.0/24"), cidr.MustParsePrefix("2001:db8::1")
	f.Add(message("a", TypeHashNet, unix.AF_INET, func(e *encoder) { e.be32(attrMaxelem, 65536) }, func(e *encoder) { e.entry(p, Count{p, 3, 4}, 0) }))
	f.Add(message("b", TypeHashNet, unix.AF_INET6, nil, func(e *encoder) { e.entry(q, Count{}, 0) }))
	f.Add(message("c", typeListSet, unix.AF_INET, nil, func(e *encoder) {
		data := e.open(attrData)
		e.str(attrName, "a")
		e.close(data)
	}))
	f.Fuzz(func(t *testing.T, msg []byte) {
		decodeLineno(msg)
		decodeRevisions(msg)
		l := listing{entries: true}
		if l.add(msg) != nil {
			return
		}
		for _, live := range l.sets {
			live.sort()
			for _, p := range live.Prefixes {
				if p.Family() != live.Family {
					t.Fatalf("%s in a set of %s", p, live.Family)
				}
			}
			again := message(live.Name, TypeHashNet, familyNumber(live.Family), nil, func(e *encoder) {
				for i, p := range live.Prefixes {
					e.entry(p, Count{}, uint32(i))
				}
			})
			m := listing{entries: true}
			if len(again) > nlaMaxValueBytes {
				continue
			}
			if err := m.add(again); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(m.sets[0].Prefixes, live.Prefixes) {
				t.Fatalf("%v became %v", live.Prefixes, m.sets[0].Prefixes)
			}
		}
	})
}

// FuzzDecodeEntry: the fast reader of entries, if it reads one at all, reads the same as
// the general one.
func FuzzDecodeEntry(f *testing.F) {
	for _, text := range []string{"192.0.2.0/24", "0.0.0.0/0", "2001:db8::1", "2001:db8::/32"} {
		p := cidr.MustParsePrefix(text)
		f.Add(p.Family() == cidr.IPv6, listed(Count{p, 3, 4}))
		f.Add(p.Family() == cidr.IPv6, listed(Count{p, 0, 0}))
	}
	f.Fuzz(func(t *testing.T, six bool, b []byte) {
		fam := cidr.IPv4
		if six {
			fam = cidr.IPv6
		}
		var fast entry
		if !counted[fam].decode(b, &fast) {
			return
		}
		if slow, err := decodeAnyEntry(fam, b); err != nil || slow != fast {
			t.Fatalf("%x: %+v, and the general reader says %+v, %v", b, fast, slow, err)
		}
	})
}

// listed returns an entry as the kernel lists it.
func listed(c Count) []byte {
	var e encoder
	e.address(c.Prefix)
	e.u8(attrCIDR, c.Prefix.Bits())
	e.be64(attrBytes, c.Bytes)
	e.be64(attrPackets, c.Packets)
	return e.b
}

// TestDecodeFast: entries as the kernel lists them are read fast, entries of other forms are
// not, and both come out right.
func TestDecodeFast(t *testing.T) {
	other := func(change func(*encoder)) []byte {
		e := encoder{listed(Count{Prefix: cidr.MustParsePrefix("192.0.2.0/24")})}
		change(&e)
		return e.b
	}
	for name, c := range map[string]struct {
		f    cidr.Family
		b    []byte
		fast bool
		want entry
	}{
		"IPv4":       {cidr.IPv4, listed(Count{cidr.MustParsePrefix("192.0.2.0/24"), 1 << 40, 5}), true, entry{count: Count{cidr.MustParsePrefix("192.0.2.0/24"), 1 << 40, 5}}},
		"IPv6":       {cidr.IPv6, listed(Count{cidr.MustParsePrefix("2001:db8::/127"), 0, 0}), true, entry{count: Count{cidr.MustParsePrefix("2001:db8::/127"), 0, 0}}},
		"exception":  {cidr.IPv4, other(func(e *encoder) { e.be32(attrCADTFlags, flagNomatch) }), false, entry{count: Count{Prefix: cidr.MustParsePrefix("192.0.2.0/24")}, nomatch: true}},
		"timeout":    {cidr.IPv4, other(func(e *encoder) { e.be32(attrTimeout, 3) }), false, entry{count: Count{Prefix: cidr.MustParsePrefix("192.0.2.0/24")}, timeout: 3 * time.Second}},
		"no counter": {cidr.IPv4, other(func(e *encoder) { e.b = e.b[:20] }), false, entry{count: Count{Prefix: cidr.MustParsePrefix("192.0.2.0/24")}}},
	} {
		var fast entry
		if got := counted[c.f].decode(c.b, &fast); got != c.fast {
			t.Errorf("%s: fast %v", name, got)
		}
		if got, err := decodeEntry(c.f, c.b); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
