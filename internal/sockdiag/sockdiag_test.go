package sockdiag

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// TestParse: both ends are read, of either family, and a short answer is none.
func TestParse(t *testing.T) {
	m := make([]byte, answerSize)
	if _, ok := Parse(m[:answerSize-1]); ok {
		t.Error("a short answer is a socket")
	}
	m[localPort], m[localPort+1], m[peerPort], m[peerPort+1] = 0x13, 0xc4, 0x13, 0xc5
	for i := range 16 {
		m[localAddr+i], m[peerAddr+i] = byte(0x20+i), byte(0x40+i)
	}
	for family, want := range map[uint8][2]string{
		unix.AF_INET:  {"32.33.34.35:5060", "64.65.66.67:5061"},
		unix.AF_INET6: {"[2021:2223:2425:2627:2829:2a2b:2c2d:2e2f]:5060", "[4041:4243:4445:4647:4849:4a4b:4c4d:4e4f]:5061"},
	} {
		m[0] = family
		s, ok := Parse(m)
		if !ok || s.Local != netip.MustParseAddrPort(want[0]) || s.Peer != netip.MustParseAddrPort(want[1]) {
			t.Errorf("%+v, %v, want %v", s, ok, want)
		}
	}
}
