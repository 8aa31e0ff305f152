package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
)

// The ends of every packet. All rooms have the same, so that the same packets fit.
var (
	roomAddr = netip.MustParseAddr("10.99.0.1")
	roomMAC  = [6]byte{2, 0, 0, 0, 0, 1}
)

// Ports of the base rules.
const (
	sipPort = 5060
	rtpPort = 10_000
)

// What packets carry, in bytes.
const (
	rtpSize = 172
	sipSize = 581
)

// EtherTypes: IPv4, and one for experiments that no one handles.
const (
	etherIPv4    = 0x0800
	etherNothing = 0x88b5
)

// frame is an Ethernet frame with a UDP packet. Its UDP checksum is 0, which means that there is none.
func frame(etherType uint16, from netip.Addr, port uint16, payload []byte) []byte {
	f := make([]byte, 0, 42+len(payload))
	f = append(f, roomMAC[:]...)
	f = append(f, 2, 0, 0, 0, 0, 2)
	f = binary.BigEndian.AppendUint16(f, etherType)
	ip := len(f)
	f = append(f, 0x45, 0)
	f = binary.BigEndian.AppendUint16(f, uint16(28+len(payload)))
	f = append(f, 0, 0, 0x40, 0, 64, 17, 0, 0) // don't fragment, UDP
	f = append(f, from.AsSlice()...)
	f = append(f, roomAddr.AsSlice()...)
	binary.BigEndian.PutUint16(f[ip+10:], checksum(f[ip:]))
	f = binary.BigEndian.AppendUint16(f, port)
	f = binary.BigEndian.AppendUint16(f, port)
	f = binary.BigEndian.AppendUint16(f, uint16(8+len(payload)))
	f = append(f, 0, 0)
	return append(f, payload...)
}

// checksum is that of an IPv4 header, whose own field is 0.
func checksum(header []byte) uint16 {
	var sum uint32
	for i := 0; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(header[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// sip is a request as phones and scanners send it.
func sip(from netip.Addr) []byte {
	text := fmt.Sprintf("OPTIONS sip:100@%[2]s SIP/2.0\r\nVia: SIP/2.0/UDP %[1]s:5060;branch=z9hG4bK-524287-1---a0bc4de6f1;rport\r\n"+
		"Max-Forwards: 70\r\nContact: <sip:100@%[1]s:5060;transport=UDP>\r\nTo: <sip:100@%[2]s>\r\nFrom: <sip:100@%[1]s>;tag=6f5a1c02\r\n"+
		"Call-ID: 0x2fHk9mTQm3pXl1aQ\r\nCSeq: 1 OPTIONS\r\nAccept: application/sdp\r\nAllow: INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, OPTIONS\r\nUser-Agent: ", from, roomAddr)
	const end = "\r\nContent-Length: 0\r\n\r\n"
	return []byte(text + strings.Repeat("x", sipSize-len(text)-len(end)) + end)
}

// spread is as many sources as a function chooses from.
func spread(n int, from func(*rand.Rand) netip.Addr) []netip.Addr {
	rng := rand.New(rand.NewPCG(3, 4))
	all := make([]netip.Addr, n)
	for i := range all {
		all[i] = from(rng)
	}
	return all
}
