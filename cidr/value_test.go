package cidr

import (
	"net/netip"
	"strings"
	"testing"
)

// TestBits compares each bit with the masks on both sides of it, also at 64, where one
// half of a u128 ends.
func TestBits(t *testing.T) {
	for n := uint8(1); n <= 128; n++ {
		if bit(n) != mask(n).xor(mask(n-1)) {
			t.Errorf("bit %d is %x %x", n, bit(n).hi, bit(n).lo)
		}
	}
	if got := SetOf(MustParsePrefix("2001:db8::/64"), MustParsePrefix("2001:db8:0:1::/64"))[IPv6]; got.Len() != 1 || got.At(0) != MustParsePrefix("2001:db8::/63") {
		t.Errorf("two halves are %v", got)
	}
	if got := SetOf(MustParsePrefix("2001:db8::/63")).Subtract(SetOf(MustParsePrefix("2001:db8::/64")))[IPv6]; got.Len() != 1 || got.At(0) != MustParsePrefix("2001:db8:0:1::/64") {
		t.Errorf("the other half is %v", got)
	}
}

// TestFromBytes: only lengths that fit the address are accepted.
func TestFromBytes(t *testing.T) {
	four, six := netip.MustParseAddr("192.0.2.77").AsSlice(), netip.MustParseAddr("2001:db8::7").AsSlice()
	for _, test := range []struct {
		addr []byte
		bits uint8
		want string
	}{
		{four, 32, "192.0.2.77"}, {four, 24, "192.0.2.0/24"}, {four, 0, "0.0.0.0/0"}, {four, 33, ""}, {four[:3], 8, ""}, {nil, 0, ""},
		{six, 128, "2001:db8::7"}, {six, 64, "2001:db8::/64"}, {six, 129, ""}, {six[:15], 8, ""}, {append(six, 0), 8, ""},
	} {
		p, ok := FromBytes(test.addr, test.bits)
		if ok != (test.want != "") || ok && p != MustParsePrefix(test.want) {
			t.Errorf("%v/%d: %v, %v", test.addr, test.bits, p, ok)
		}
	}
}

// TestFromNetip: an IPv4-mapped address becomes IPv4, as the kernel sees it; all others
// come back unchanged.
func TestFromNetip(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.77/24": "192.0.2.0/24", "2001:db8::7/64": "2001:db8::/64", "::ffff:192.0.2.1/128": "192.0.2.1/32", "::ffff:192.0.2.77/120": "192.0.2.0/24",
		"::ffff:0:0/96": "0.0.0.0/0", "::ffff:0:0/95": "::fffe:0:0/95",
	} {
		if got := FromNetip(netip.MustParsePrefix(text)).Netip(); got != netip.MustParsePrefix(want) {
			t.Errorf("%s: %v, not %s", text, got, want)
		}
	}
}

// TestLongestLine: a line of exactly maxLine bytes is read.
func TestLongestLine(t *testing.T) {
	line := "1.2.3.4 #" + strings.Repeat("x", maxLine-len("1.2.3.4 #"))
	if got := scanned(line + "\n" + line + "x\n1.2.3.5\n"); got != "1.2.3.4 line-too-long 1.2.3.5" {
		t.Error(got)
	}
}

// TestDeclared reads how many entries a list declares.
func TestDeclared(t *testing.T) {
	for text, want := range map[string]int{
		"": NoTotal, "# TOTAL: 1\n": NoTotal, "# TOTAL NETBLOCK: 2\n1.2.3.4\n": 2, "# TOTAL NETBLOCK: 0\n": 0, "# TOTAL NETBLOCK: -1\n": BadTotal, "# TOTAL NETBLOCK: x\n": BadTotal,
		"# TOTAL NETBLOCK: 2\n# TOTAL NETBLOCK: 2\n": 2, "# TOTAL NETBLOCK: 2\n# TOTAL NETBLOCK: 3\n": BadTotal, "# TOTAL NETBLOCK: x\n# TOTAL NETBLOCK: 3\n": BadTotal,
	} {
		tally, err := Read(strings.NewReader(text), Policy{}, new(Builder))
		if err != nil || tally.Declared != want {
			t.Errorf("%q: %d, %v", text, tally.Declared, err)
		}
	}
}

// TestCarved counts entries that lie partly in special-purpose space: wide prefixes and
// ranges.
func TestCarved(t *testing.T) {
	for text, want := range map[string][2]int{
		"8.0.0.0/6": {0, 1}, "9.255.255.0-10.0.0.255": {0, 1}, "10.0.0.0-10.0.0.5": {1, 0}, "11.0.0.0/8": {0, 0}, "1.2.3.0-1.2.3.5": {0, 0}, "10.1.2.3": {1, 0}, "100.0.0.0/8": {0, 1},
		"10.255.255.254-11.0.0.1": {0, 1}, "9.255.255.255-10.0.0.0": {0, 1},
	} {
		tally, err := Read(strings.NewReader(text), Policy{}, new(Builder))
		if got := [2]int{tally.Screened, tally.Carved}; err != nil || got != want {
			t.Errorf("%s: screened and carved %v, not %v, %v", text, got, want, err)
		}
	}
}

func TestWiden(t *testing.T) {
	for _, test := range []struct {
		of   string
		bits uint8
		want string
	}{
		{"192.0.2.9", 24, "192.0.2.0/24"},
		{"192.0.2.9", 32, "192.0.2.9"},
		{"192.0.2.0/24", 32, "192.0.2.0/24"}, // not longer
		{"192.0.2.0/24", 0, "0.0.0.0/0"},
		{"2001:db8:1:2::9", 64, "2001:db8:1:2::/64"},
		{"2001:db8:1:2::/64", 128, "2001:db8:1:2::/64"},
	} {
		if got := MustParsePrefix(test.of).Widen(test.bits); got != MustParsePrefix(test.want) {
			t.Errorf("%s to /%d is %s, not %s", test.of, test.bits, got, test.want)
		}
	}
}
