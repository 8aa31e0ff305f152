package fleet

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

func TestCanonical(t *testing.T) {
	for in, want := range map[string]string{
		"45.1.2.3": "45.1.2.3", "::ffff:45.1.2.3": "45.1.2.3", "2a00:1:2:3:4:5:6:7": "2a00:1:2:3::", "2a00:1:2:3::": "2a00:1:2:3::",
		"223.255.255.255": "223.255.255.255", "1.0.0.0": "1.0.0.0", "2a00:1:2:3::1%eth0": "2a00:1:2:3::",
		// No addresses of the Internet.
		"10.1.2.3": "", "192.168.1.1": "", "172.31.0.1": "", "100.64.0.1": "", "127.0.0.1": "", "0.0.0.0": "", "169.254.1.1": "",
		"224.0.0.1": "", "255.255.255.255": "", "192.0.2.1": "", "203.0.113.9": "", "::": "", "::1": "", "::ffff:10.1.2.3": "", "fe80::1%eth0": "",
		"fc00::1": "", "ff02::1": "", "2001:db8::1": "", "2002:2d01:203::1": "", "2001:0:4136:e378::1": "", "64:ff9b::2d01:203": "",
		"::45.1.2.3": "", "0:ffff:2d01:203::": "", "4000::1": "",
	} {
		got, ok := Canonical(netip.MustParseAddr(in))
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%s: %s %v, want %q", in, got, ok, want)
		}
	}
	if _, ok := Canonical(netip.Addr{}); ok {
		t.Error("no address is one of the Internet")
	}
}

// TestSlotOf: the slots of addresses never change, since hosts of all versions must agree on them.
func TestSlotOf(t *testing.T) {
	for in, want := range map[string]int{
		"45.1.2.3": 1, "::ffff:45.1.2.3": 1, "45.1.2.4": 13, "8.8.8.8": 1, "185.243.5.1": 2,
		"2a00:1:2:3::": 6, "2a00:1:2:3:4:5:6:7": 6, "2a00:1:2:4::": 13, "2a00:1:2:300::": 3,
	} {
		if got := SlotOf(netip.MustParseAddr(in)); got != want {
			t.Errorf("%s: %d, want %d", in, got, want)
		}
	}
}

// TestSlotsAreEven: addresses that differ in a few bits only, as those of one network, are spread over
// all slots.
func TestSlotsAreEven(t *testing.T) {
	const n = 1600
	for name, addr := range map[string]func(i uint32) netip.Addr{
		"neighbours":      func(i uint32) netip.Addr { return netip.AddrFrom4([4]byte{45, 1, byte(i >> 8), byte(i)}) },
		"one of each /24": func(i uint32) netip.Addr { return netip.AddrFrom4([4]byte{45, byte(i >> 8), byte(i), 1}) },
		"one of each /28": func(i uint32) netip.Addr { return netip.AddrFrom4([4]byte{45, 1, byte(i >> 4), byte(i << 4)}) },
		"networks /64": func(i uint32) netip.Addr {
			b := [16]byte{0x2a, 0, 1}
			binary.BigEndian.PutUint32(b[4:], i)
			return netip.AddrFrom16(b)
		},
		"networks /56": func(i uint32) netip.Addr {
			b := [16]byte{0x2a, 0, 1}
			binary.BigEndian.PutUint32(b[3:], i)
			return netip.AddrFrom16(b)
		},
	} {
		var count [Slots]int
		for i := range uint32(n) {
			count[SlotOf(addr(i))]++
		}
		for slot, got := range count {
			if got < n/Slots/2 || got > n/Slots*2 {
				t.Errorf("%s: slot %x has %d of %d", name, slot, got, n)
			}
		}
	}
}

func TestSubject(t *testing.T) {
	for slot, want := range map[int]string{0: "v1.ban.acme_pbx7.0", 9: "v1.ban.acme_pbx7.9", 10: "v1.ban.acme_pbx7.a", 15: "v1.ban.acme_pbx7.f"} {
		got := Subject("acme_pbx7", slot)
		if n, s, ok := ParseSubject(got); got != want || n != "acme_pbx7" || s != slot || !ok {
			t.Errorf("slot %d: %q, read as %q %d %v", slot, got, n, s, ok)
		}
	}
	for _, s := range []string{
		"", "v1.ban.", "v1.ban.acme_pbx7", "v1.ban.acme_pbx7.", "v1.ban.acme_pbx7.g", "v1.ban.acme_pbx7.A", "v1.ban.acme_pbx7.00", "v1.ban.acme_pbx7.0.0",
		"v2.ban.acme_pbx7.0", "v1.bans.acme_pbx7.0", "xv1.ban.acme_pbx7.0", "v1.ban.acme.0", "v1.ban.Acme_pbx7.0", "v1.ban.*.0", "v1.ban.>", "v1.doc", "host.acme_pbx7",
	} {
		if n, slot, ok := ParseSubject(s); ok || n != "" || slot != 0 {
			t.Errorf("%q: %q %d %v", s, n, slot, ok)
		}
	}
}

// TestKey: eight bytes hold each address that is told, in its order, and no other one.
func TestKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawAddr(t), drawAddr(t)
		k, ok := keyOf(a)
		if !ok || k.addr() != a {
			t.Fatalf("%s: %x %v is %s", a, k, ok, k.addr())
		}
		if o, _ := keyOf(b); (k < o) != a.Less(b) || (k == o) != (a == b) {
			t.Fatalf("%s and %s: %x and %x", a, b, k, o)
		}
	})
	for _, s := range []string{"::ffff:45.1.2.3", "2a00:1:2:3::1", "fe80::1", "::", "4000::", "0:ffff:2d01:203::", "e000::"} {
		if k, ok := keyOf(netip.MustParseAddr(s)); ok {
			t.Errorf("%s: %x", s, k)
		}
	}
	if _, ok := keyOf(netip.Addr{}); ok {
		t.Error("no address has a key")
	}
}

// drawAddr draws a canonical address.
func drawAddr(t *rapid.T) netip.Addr {
	for {
		n := rapid.Uint64().Draw(t, "address")
		b := [16]byte{8: 0}
		if n&1 == 0 {
			binary.BigEndian.PutUint64(b[:], n>>3|1<<61)
			if a, ok := Canonical(netip.AddrFrom16(b)); ok {
				return a
			}
		}
		binary.BigEndian.PutUint64(b[:], n)
		if a, ok := Canonical(netip.AddrFrom4([4]byte(b[:4]))); ok {
			return a
		}
		if a, ok := Canonical(netip.AddrFrom4([4]byte{byte(n)%100 + 11, b[5], b[6], 1})); ok {
			return a
		}
	}
}
