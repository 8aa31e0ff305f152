package hep

import (
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"net/netip"
	"time"
)

// Packet is a SIP message on the network, as a PBX has seen it.
type Packet struct {
	At                  time.Time
	Source, Destination netip.AddrPort
	Transport           string // "udp", "tcp", "tls", "ws" or "sctp"
	SIP                 []byte // a part of the datagram
}

// Reasons why [Decode] refuses a datagram.
var (
	ErrKey     = errors.New("the HEP packet has not the right password")
	ErrDamaged = errors.New("this is no whole HEP3 packet")
	ErrOther   = errors.New("the HEP packet has no SIP message of a known transport") // RTCP, logs, zipped ones
)

// Chunks of the vendor 0, as in the description of HEP3:
// https://github.com/sipcapture/HEP/blob/master/docs/HEP3NetworkProtocolSpecification_REV26.pdf
const (
	chunkFamily      = 0x0001 // uint8: AF_INET or AF_INET6
	chunkProtocol    = 0x0002 // uint8: as in the header of IP
	chunkSource4     = 0x0003
	chunkDest4       = 0x0004
	chunkSource6     = 0x0005
	chunkDest6       = 0x0006
	chunkSourcePort  = 0x0007 // uint16
	chunkDestPort    = 0x0008 // uint16
	chunkSeconds     = 0x0009 // uint32
	chunkMicros      = 0x000a // uint32
	chunkPayloadType = 0x000b // uint8
	chunkKey         = 0x000e
	chunkPayload     = 0x000f
	chunkZipped      = 0x0010
	chunks           = 0x0012 // those from here on say nothing that is needed

	payloadSIP = 1
)

// lengths are those of chunks with a fixed one.
var lengths = [chunks]int{
	chunkFamily: 1, chunkProtocol: 1,
	chunkSource4: 4, chunkDest4: 4, chunkSource6: 16, chunkDest6: 16,
	chunkSourcePort: 2, chunkDestPort: 2,
	chunkSeconds: 4, chunkMicros: 4, chunkPayloadType: 1,
}

// transports are the names of protocols. Kamailio and OpenSIPS write 22 for TLS, which in IP is that
// of another protocol, and the same or 50 for WebSocket. Over all but UDP the source has answered
// before its first message.
var transports = map[byte]string{6: "tcp", 17: "udp", 22: "tls", 50: "ws", 132: "sctp"}

// Families of addresses (AF_INET and AF_INET6 of Linux).
const (
	familyIPv4 = 2
	familyIPv6 = 10
)

const (
	magic       = "HEP3"
	headLength  = len(magic) + 2
	chunkHeader = 6 // vendor, type, length: uint16 each
)

// Decode reads a datagram. It refuses one that has not the password key, is longer or shorter than
// it says, has a chunk that does not fit, or the same one twice. Chunks that say nothing that is
// needed are skipped, also those of vendors. The result is valid as long as b.
func Decode(b []byte, key string) (Packet, error) {
	if len(b) < headLength || string(b[:len(magic)]) != magic || int(binary.BigEndian.Uint16(b[len(magic):])) != len(b) {
		return Packet{}, ErrDamaged
	}
	var has [chunks][]byte
	for b = b[headLength:]; len(b) > 0; {
		if len(b) < chunkHeader {
			return Packet{}, ErrDamaged
		}
		vendor, kind := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		length := int(binary.BigEndian.Uint16(b[4:]))
		if length < chunkHeader || length > len(b) {
			return Packet{}, ErrDamaged
		}
		value := b[chunkHeader:length:length]
		b = b[length:]
		if vendor != 0 || kind >= chunks {
			continue
		}
		if has[kind] != nil || lengths[kind] != 0 && lengths[kind] != len(value) {
			return Packet{}, ErrDamaged
		}
		has[kind] = value
	}
	if key == "" || subtle.ConstantTimeCompare(has[chunkKey], []byte(key)) != 1 {
		return Packet{}, ErrKey
	}
	return packet(&has)
}

// packet makes a packet of chunks whose lengths are right.
func packet(has *[chunks][]byte) (Packet, error) {
	for _, kind := range []int{chunkFamily, chunkProtocol, chunkSourcePort, chunkDestPort, chunkSeconds, chunkPayloadType} {
		if has[kind] == nil {
			return Packet{}, ErrDamaged
		}
	}
	from, to := has[chunkSource4], has[chunkDest4]
	switch has[chunkFamily][0] {
	case familyIPv4:
	case familyIPv6:
		from, to = has[chunkSource6], has[chunkDest6]
	default:
		return Packet{}, ErrDamaged
	}
	transport, known := transports[has[chunkProtocol][0]]
	switch {
	case from == nil || to == nil:
		return Packet{}, ErrDamaged
	case has[chunkPayloadType][0] != payloadSIP || !known || has[chunkPayload] == nil:
		return Packet{}, ErrOther
	}
	p := Packet{
		Source:      addrPort(from, has[chunkSourcePort]),
		Destination: addrPort(to, has[chunkDestPort]),
		Transport:   transport,
		SIP:         has[chunkPayload],
	}
	var micros uint32
	if b := has[chunkMicros]; b != nil {
		micros = binary.BigEndian.Uint32(b)
	}
	p.At = time.Unix(int64(binary.BigEndian.Uint32(has[chunkSeconds])), int64(micros%1e6)*1000)
	return p, nil
}

func addrPort(addr, port []byte) netip.AddrPort {
	a, _ := netip.AddrFromSlice(addr)
	return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(port))
}
