package firewall_test

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// udpPacket returns a UDP packet (RFC 768) with its checksum.
func udpPacket(from, to netip.AddrPort, text string) []byte {
	b := binary.BigEndian.AppendUint16(nil, from.Port())
	b = binary.BigEndian.AppendUint16(b, to.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(text)))
	b = append(append(b, 0, 0), text...)
	pseudo := slices.Concat(from.Addr().AsSlice(), to.Addr().AsSlice(), []byte{0, unix.IPPROTO_UDP}, b[4:6])
	pseudo = append(pseudo, b...)
	if len(pseudo)%2 == 1 {
		pseudo = append(pseudo, 0)
	}
	binary.BigEndian.PutUint16(b[6:], checksum(pseudo))
	return b
}

// ipFragment returns a fragment of an IP packet with UDP in it (RFC 791, RFC 8200 section 4.5). The kernel
// fills in the checksum of IPv4.
func ipFragment(from, to netip.Addr, id, offset int, more bool, payload []byte) []byte {
	var flags uint16
	if from.Is4() {
		flags = uint16(offset / 8)
		if more {
			flags |= 0x2000
		}
		b := []byte{0x45, 0}
		b = binary.BigEndian.AppendUint16(b, uint16(20+len(payload)))
		b = binary.BigEndian.AppendUint16(b, uint16(id))
		b = binary.BigEndian.AppendUint16(b, flags)
		b = append(b, 64, unix.IPPROTO_UDP, 0, 0)
		return slices.Concat(b, from.AsSlice(), to.AsSlice(), payload)
	}
	flags = uint16(offset)
	if more {
		flags |= 1
	}
	b := []byte{0x60, 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	b = append(b, unix.IPPROTO_FRAGMENT, 64)
	b = slices.Concat(b, from.AsSlice(), to.AsSlice(), []byte{unix.IPPROTO_UDP, 0})
	b = binary.BigEndian.AppendUint16(b, flags)
	b = binary.BigEndian.AppendUint32(b, uint32(id))
	return append(b, payload...)
}
