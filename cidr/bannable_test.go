package cidr

import "testing"

// TestBannable: everything can be banned except space that sends no valid packets.
func TestBannable(t *testing.T) {
	for p, want := range map[string]string{
		"8.8.8.8": "", "10.1.2.3": "", "172.16.0.1": "", "192.168.1.1": "", "100.64.0.1": "", "192.88.99.1": "",
		"198.18.0.1": "", "192.0.0.1": "", "192.0.2.1": "", "192.0.0.0/2": "",
		"2002:c000:204::1": "", "2001:0:4136:e378::1": "", "64:ff9b::808:808": "", "fd00::1": "", "2001:db8::1": "",
		"fec0::1": "", "4000::1": "",
		"0.0.0.0": "this network", "127.0.0.1": "loopback", "169.254.1.1": "link local",
		"224.0.0.1": "multicast", "255.255.255.255": "reserved", "250.0.0.0/8": "reserved", "224.0.0.0/3": "multicast",
		"::": "unspecified", "::1": "loopback", "fe80::1": "link local", "ff02::1": "multicast",
	} {
		got, found := FindNeverBanned(MustParsePrefix(p))
		if got.Name != want || found != (want != "") {
			t.Errorf("%s: %q, want %q", p, got.Name, want)
		}
		if found == (SetOf(MustParsePrefix(p)).Subtract(NeverBanned).Len() > 0) {
			t.Errorf("%s: what is found and what is left of it disagree", p)
		}
	}
}
