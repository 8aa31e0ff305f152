package iptables

// carriers are the tunnel protocols without ports (IANA), with the names that rules use. They are
// mostly numbers, since iptables knows some names only from /etc/protocols, which may be missing.
var carriers = map[string]string{"esp": "esp", "gre": "47", "ipip": "4", "6in4": "41"}

// spoken maps the names that listings may have to those that rules use.
var spoken = map[string]string{"gre": "47", "ipencap": "4", "ipv4": "4", "ipv6": "41", "50": "esp"}

// HasNoPorts reports whether a protocol is a tunnel protocol without ports.
func HasNoPorts(proto string) bool { return carriers[proto] != "" }

// ProtocolOf returns a protocol's name as rules have it.
func ProtocolOf(name string) string {
	if number, ok := carriers[name]; ok {
		return number
	}
	if number, ok := spoken[name]; ok {
		return number
	}
	return name
}
