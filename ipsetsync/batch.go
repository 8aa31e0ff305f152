package ipsetsync

import (
	"encoding/binary"
	"iter"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/cidr"
)

const (
	// maxEntryBytes is the longest entry: IPv6 with counters. Nested headers 4+4,
	// address 20, prefix length 8, counters 12+12, number 8.
	maxEntryBytes = 68

	// maxBatchBytes is the longest message of a batch: the container, whose length has 16
	// bits, and what comes before it.
	maxBatchBytes = smallMessage + nlaHeaderLength + nlaMaxValueBytes
)

// batch is what makes the messages that add a plan's entries.
type batch struct {
	name    string
	entries iter.Seq[cidr.Prefix] // sorted
	counts  []Count               // sorted like entries
}

// requests yields the messages: each adds as many entries as fit into one container.
// Each entry is numbered with its index in the set; the kernel returns the number of an
// entry that it refuses. There are two buffers: a message is valid until the next but one
// is made, so that one can be made while the kernel reads the one before.
func (b batch) requests() iter.Seq[request] {
	return func(yield func(request) bool) {
		var buffers [2][]byte
		e := encoder{make([]byte, 0, maxBatchBytes)}
		adt, number, counts := 0, uint32(0), b.counts
		for p := range b.entries {
			if adt > 0 && len(e.b)-adt+maxEntryBytes > nlaMaxValueBytes {
				e.close(adt)
				if !yield(request{cmdAdd, unix.NLM_F_ACK | unix.NLM_F_EXCL, e.b}) {
					return
				}
				buffers[0], buffers[1] = buffers[1], e.b
				if e.b, adt = buffers[0], 0; e.b == nil {
					e.b = make([]byte, 0, maxBatchBytes)
				}
			}
			if adt == 0 {
				adt = e.beginBatch(b.name)
			}
			var count Count
			if len(counts) > 0 && counts[0].Prefix == p {
				count, counts = counts[0], counts[1:]
			}
			e.entry(p, count, number)
			number++
		}
		if adt > 0 {
			e.close(adt)
			yield(request{cmdAdd, unix.NLM_F_ACK | unix.NLM_F_EXCL, e.b})
		}
	}
}

// beginBatch begins a message that adds entries to a set. It returns where their
// container begins.
func (e *encoder) beginBatch(name string) (adt int) {
	e.begin(unix.AF_INET)
	e.str(attrSetname, name)
	e.u32(attrLineno, 0) // the kernel writes the number of the refused entry here
	return e.open(attrADT)
}

// plainEntries are entries without counts, by family. All but three of their fields are
// always the same, so that nearly all entries are made of a copy.
var plainEntries = [2][]byte{
	entryOf(cidr.MustParsePrefix("0.0.0.0/0")),
	entryOf(cidr.MustParsePrefix("::/0")),
}

func entryOf(p cidr.Prefix) []byte {
	var e encoder
	e.anyEntry(p, Count{}, 0)
	return e.b
}

// Where the fields of a plain entry stand: the address after three headers; the prefix
// length and the number, each after a header, at the end.
const (
	plainAddress = 3 * nlaHeaderLength
	plainBits    = 12 // from the end
	plainNumber  = 4  // from the end
)

// entry appends an entry.
func (e *encoder) entry(p cidr.Prefix, count Count, number uint32) {
	if count.Packets != 0 || count.Bytes != 0 {
		e.anyEntry(p, count, number)
		return
	}
	start := len(e.b)
	e.b = append(e.b, plainEntries[p.Family()]...)
	p.AppendBytes(e.b[:start+plainAddress])
	end := len(e.b)
	e.b[end-plainBits] = p.Bits()
	binary.NativeEndian.PutUint32(e.b[end-plainNumber:], number)
}

// anyEntry is entry, attribute by attribute.
func (e *encoder) anyEntry(p cidr.Prefix, count Count, number uint32) {
	data := e.open(attrData)
	e.address(p)
	e.u8(attrCIDR, p.Bits())
	if count.Packets != 0 || count.Bytes != 0 {
		e.be64(attrBytes, count.Bytes)
		e.be64(attrPackets, count.Packets)
	}
	e.u32(attrCADTLineno, number)
	e.close(data)
}
