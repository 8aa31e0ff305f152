package ipsetsync

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/cidr"
)

// errMalformed is the error for a message that does not match the kernel's headers.
var errMalformed = errors.New("malformed message from the kernel")

// attribute is one decoded netlink attribute.
type attribute struct {
	typ   uint16 // without the flag bits
	value []byte
}

// attributes yields the attributes in b, and at last an error if b is malformed.
func attributes(b []byte) iter.Seq2[attribute, error] {
	return func(yield func(attribute, error) bool) {
		for len(b) > 0 {
			a, rest, err := cutAttribute(b)
			if !yield(a, err) || err != nil {
				return
			}
			b = rest
		}
	}
}

// cutAttribute splits b after its first attribute.
func cutAttribute(b []byte) (a attribute, rest []byte, err error) {
	if len(b) < nlaHeaderLength {
		return a, nil, errMalformed
	}
	n := int(binary.NativeEndian.Uint16(b))
	if n < nlaHeaderLength || n > len(b) {
		return a, nil, errMalformed
	}
	a = attribute{binary.NativeEndian.Uint16(b[2:]) & nlaTypeMask, b[nlaHeaderLength:n]}
	return a, b[min((n+nlaAlign-1)&^(nlaAlign-1), len(b)):], nil
}

func (a attribute) u8() (uint8, error) {
	if len(a.value) != 1 {
		return 0, fmt.Errorf("%w: attribute %d has %d bytes, not 1", errMalformed, a.typ, len(a.value))
	}
	return a.value[0], nil
}

func (a attribute) be32() (uint32, error) {
	if len(a.value) != 4 {
		return 0, fmt.Errorf("%w: attribute %d has %d bytes, not 4", errMalformed, a.typ, len(a.value))
	}
	return binary.BigEndian.Uint32(a.value), nil
}

func (a attribute) be64() (uint64, error) {
	if len(a.value) != 8 {
		return 0, fmt.Errorf("%w: attribute %d has %d bytes, not 8", errMalformed, a.typ, len(a.value))
	}
	return binary.BigEndian.Uint64(a.value), nil
}

func (a attribute) str() string { return string(bytes.TrimRight(a.value, "\x00")) }

// listing collects the messages of the answer to a list request. A long answer takes
// several messages; each begins with the name of the set that it continues.
type listing struct {
	sets    []*Live
	entries bool                                // keep entries, too, not only headers
	bans    bool                                // also those of fail2ban's sets
	visit   func(entry)                         // called with each entry, which is then not kept; may be nil
	raw     func(live *Live, data []byte) error // called with each undecoded entry of all types but list:set; may be nil
	again   func()                              // called before each start of the listing; may be nil
}

// add decodes one message.
func (l *listing) add(msg []byte) error {
	if len(msg) < sizeofNfGenMsg {
		return errMalformed
	}
	var name string
	var live *Live
	for a, err := range attributes(msg[sizeofNfGenMsg:]) {
		if err != nil {
			return err
		}
		switch a.typ {
		case attrSetname:
			name = a.str()
			live = l.set(name)
		case attrTypename, attrRevision, attrFamily, attrData:
			if live == nil {
				return fmt.Errorf("%w: attribute %d before the set's name", errMalformed, a.typ)
			}
			err = live.Header.decode(a)
		case attrADT:
			if live == nil {
				return fmt.Errorf("%w: entries before the set's name", errMalformed)
			}
			err = l.addEntries(live, a.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *listing) set(name string) *Live {
	if n := len(l.sets); n > 0 && l.sets[n-1].Name == name {
		return l.sets[n-1]
	}
	live := &Live{Header: Header{Name: name}}
	l.sets = append(l.sets, live)
	return live
}

func (h *Header) decode(a attribute) error {
	switch a.typ {
	case attrTypename:
		h.Type = a.str()
	case attrRevision:
		v, err := a.u8()
		h.Revision = v
		return err
	case attrFamily:
		v, err := a.u8()
		if v == unix.AF_INET6 {
			h.Family = cidr.IPv6
		}
		return err
	case attrData:
		for o, err := range attributes(a.value) {
			if err == nil {
				err = h.decodeOption(o)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (h *Header) decodeOption(a attribute) (err error) {
	switch a.typ {
	case attrHashsize:
		h.Hashsize, err = a.be32()
	case attrMaxelem:
		h.Maxelem, err = a.be32()
	case attrReferences:
		h.References, err = a.be32()
	case attrMemsize:
		h.Memory, err = a.be32()
	case attrElements:
		h.Elements, err = a.be32()
	case attrTimeout:
		h.Timeout = true
	case attrNetmask:
		h.Netmask, err = a.u8()
	case attrCADTFlags:
		var flags uint32
		flags, err = a.be32()
		h.Counters = flags&flagWithCounters != 0
		h.Comment = flags&flagWithComment != 0
		h.Forceadd = flags&flagWithForceadd != 0
		h.Skbinfo = flags&flagWithSkbinfo != 0
	}
	return err
}

// addEntries decodes a container of entries. It skips entries of set types that voipbl
// does not use, except the names in a list:set.
func (l *listing) addEntries(live *Live, b []byte) error {
	ours := l.raw == nil && l.entries && (live.Type == TypeHashNet || l.bans && live.Type == typeHashIP)
	for len(b) > 0 {
		data, rest, err := cutAttribute(b)
		if err != nil {
			return err
		}
		b = rest
		switch {
		case live.Type == typeListSet:
			err = l.addMember(live, data.value)
		case l.raw != nil:
			err = l.raw(live, data.value)
		case ours:
			var e entry
			if e, err = decodeEntry(live.Family, data.value); err == nil {
				l.keep(live, &e)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *listing) addMember(list *Live, b []byte) error {
	for a, err := range attributes(b) {
		if err != nil {
			return err
		}
		if a.typ == attrName {
			list.Sets = append(list.Sets, a.str())
		}
	}
	return nil
}

// maxPresize is the most entries for which memory is allocated because of a header.
const maxPresize = 1 << 23

// grow allocates memory for all entries of the set when the first one comes. The
// header, which comes before, has their number.
func (l *Live) grow() {
	if l.Prefixes == nil {
		l.Prefixes = make([]cidr.Prefix, 0, min(l.Elements, maxPresize))
	}
}

// entry is one entry of a hash:net, as it is listed.
type entry struct {
	count   Count
	nomatch bool
	timeout time.Duration // the remaining time; [Forever] for an entry that does not expire
}

// keep adds an entry to the set, or passes it to visit.
func (l *listing) keep(live *Live, e *entry) {
	if l.visit != nil {
		l.visit(*e)
		return
	}
	live.grow()
	live.Prefixes = append(live.Prefixes, e.count.Prefix)
	if e.nomatch {
		live.NoMatch++
	}
	if e.count.Packets != 0 || e.count.Bytes != 0 {
		live.Counts = append(live.Counts, e.count)
	}
}

// counted is what the kernel writes for an entry of a set that voipbl has made
// (ip_set_hash_net.c: hash_net4_data_list; ip_set_core.c: ip_set_put_extensions): these
// attributes in this order.
var counted = [2]countedEntry{countedOf(cidr.IPv4), countedOf(cidr.IPv6)}

// countedEntry has the headers of the attributes, without the flags of their types, and
// the places of the values.
type countedEntry struct {
	ip, address, bits, bytes, packets uint32
	addressEnd, length                int
}

// headerMask leaves out the flags of an attribute's type. Older kernels set one more.
var headerMask = attributeHeader(nlaTypeMask, nlaMaxValueBytes)

// attributeHeader returns a header as it is read from memory as one number.
func attributeHeader(typ uint16, valueBytes int) uint32 {
	b := binary.NativeEndian.AppendUint16(nil, uint16(nlaHeaderLength+valueBytes))
	return binary.NativeEndian.Uint32(binary.NativeEndian.AppendUint16(b, typ))
}

func countedOf(f cidr.Family) countedEntry {
	width := int(f.Bits()) / 8
	end := 2*nlaHeaderLength + width
	return countedEntry{
		ip:      attributeHeader(attrIP, nlaHeaderLength+width),
		address: attributeHeader([2]uint16{attrIPAddrIPv4, attrIPAddrIPv6}[f], width),
		bits:    attributeHeader(attrCIDR, 1),
		bytes:   attributeHeader(attrBytes, 8), packets: attributeHeader(attrPackets, 8),
		addressEnd: end, length: end + 8 + 12 + 12,
	}
}

// decode decodes an entry of this form. It returns false for any other form.
func (c *countedEntry) decode(b []byte, e *entry) bool {
	if len(b) != c.length {
		return false
	}
	header := func(b []byte) uint32 { return binary.NativeEndian.Uint32(b) & headerMask }
	end := b[c.addressEnd:]
	if header(b) != c.ip || header(b[4:]) != c.address || header(end) != c.bits || header(end[8:]) != c.bytes || header(end[20:]) != c.packets {
		return false
	}
	var ok bool
	e.count.Prefix, ok = cidr.FromBytes(b[2*nlaHeaderLength:c.addressEnd], end[4])
	e.count.Bytes, e.count.Packets = binary.BigEndian.Uint64(end[12:]), binary.BigEndian.Uint64(end[24:])
	return ok
}

func decodeEntry(f cidr.Family, b []byte) (e entry, err error) {
	if counted[f].decode(b, &e) {
		return e, nil
	}
	return decodeAnyEntry(f, b)
}

// decodeAnyEntry decodes an entry of any form.
func decodeAnyEntry(f cidr.Family, b []byte) (e entry, err error) {
	var (
		addr []byte
		bits = f.Bits()
	)
	for a, err := range attributes(b) {
		if err != nil {
			return e, err
		}
		switch a.typ {
		case attrIP:
			for ip, err := range attributes(a.value) {
				if err != nil {
					return e, err
				}
				addr = ip.value
			}
		case attrCIDR:
			bits, err = a.u8()
		case attrTimeout:
			var seconds uint32
			seconds, err = a.be32()
			e.timeout = time.Duration(seconds) * time.Second
		case attrPackets:
			e.count.Packets, err = a.be64()
		case attrBytes:
			e.count.Bytes, err = a.be64()
		case attrCADTFlags:
			var flags uint32
			flags, err = a.be32()
			e.nomatch = flags&flagNomatch != 0
		}
		if err != nil {
			return e, err
		}
	}
	p, ok := cidr.FromBytes(addr, bits)
	if !ok || p.Family() != f {
		return e, fmt.Errorf("%w: an entry of %d bytes and %d bits in a set of %s", errMalformed, len(addr), bits, f)
	}
	e.count.Prefix = p
	return e, nil
}
