package fleet

import (
	"encoding/binary"
	"hash/fnv"
	"net/netip"
	"strings"

	"github.com/voipbl/voipbl/cidr"
)

// Slots is the number of messages in which a host says its bans. One changed ban repeats a
// sixteenth of them.
const Slots = 16

// bits6 is the length of the network that one customer has at least over IPv6.
const bits6 = 64

// Canonical returns the address that stands for a in the fleet: itself, or over IPv6 the first
// address of its /64. It returns false if a is no address of the Internet, which no host tells to
// others.
func Canonical(a netip.Addr) (netip.Addr, bool) {
	a = a.Unmap().WithZone("")
	if !a.IsValid() {
		return a, false
	}
	p := netip.PrefixFrom(a, 32)
	if a.Is6() {
		p = netip.PrefixFrom(a, bits6).Masked()
	}
	_, special := cidr.FindSpecial(cidr.FromNetip(p))
	return p.Addr(), !special
}

// SlotOf returns the slot to which a belongs. It is the same in all versions: bans in another slot
// are ignored.
func SlotOf(a netip.Addr) int {
	a = a.Unmap()
	b := a.As16()
	if a.Is6() {
		clear(b[bits6/8:])
	}
	h := fnv.New64a()
	h.Write(b[:])
	sum := h.Sum64()
	// The lowest bits alone would depend on the lowest bits of each byte only.
	sum ^= sum >> 32
	sum ^= sum >> 16
	sum ^= sum >> 8
	sum ^= sum >> 4
	return int(sum % Slots)
}

// subjects is what all subjects of slots begin with. Another version of the messages has other
// subjects, so that hosts of both can be in one fleet.
const subjects = "v1.ban."

const hexDigits = "0123456789abcdef"

// Subject returns the subject of a host's slot, 0 to Slots-1, at the hub: v1.ban.acme_pbx7.c.
func Subject(n Name, slot int) string {
	return subjects + string(n) + "." + hexDigits[slot:slot+1]
}

// Subjects are those of all slots of a host.
func Subjects(n Name) string { return subjects + string(n) + ".*" }

// ParseSubject returns whose slot a subject is.
func ParseSubject(s string) (n Name, slot int, ok bool) {
	rest, isBan := strings.CutPrefix(s, subjects)
	name, digit, _ := strings.Cut(rest, ".")
	if !isBan || len(digit) != 1 {
		return "", 0, false
	}
	slot = strings.Index(hexDigits, digit)
	n, err := ParseName(name)
	if err != nil || slot < 0 {
		return "", 0, false
	}
	return n, slot, true
}

// key is a canonical address in eight bytes: an IPv4 address behind 16 ones, as in ::ffff:0:0/96, or
// the network part of an IPv6 address. The two do not meet, since 0:ffff::/32 is no space of the Internet.
type key uint64

// keyOf returns the key of an address that Canonical has returned; else false.
func keyOf(a netip.Addr) (key, bool) {
	switch b := a.As16(); {
	case a.Is4():
		return key(binary.BigEndian.Uint64(b[8:])), true
	case a.Zone() == "" && b[0]>>5 == 1 && binary.BigEndian.Uint64(b[8:]) == 0: // 2000::/3
		return key(binary.BigEndian.Uint64(b[:8])), true
	}
	return 0, false
}

func (k key) addr() netip.Addr {
	var b [16]byte
	if k>>61 == 1 {
		binary.BigEndian.PutUint64(b[:8], uint64(k))
		return netip.AddrFrom16(b)
	}
	binary.BigEndian.PutUint64(b[8:], uint64(k))
	return netip.AddrFrom4([4]byte(b[12:]))
}
