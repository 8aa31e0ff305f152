package iptables

// carriers are the protocols without ports that tunnels are made of (IANA), as rules
// name them: iptables knows the names of some only from /etc/protocols, which is not
// everywhere.
var carriers = map[string]string{"esp": "esp", "gre": "47", "ipip": "4", "6in4": "41"}

// spoken are the names that listings may have for them.
var spoken = map[string]string{"gre": "47", "ipencap": "4", "ipv4": "4", "ipv6": "41", "50": "esp"}

// HasNoPorts reports whether a protocol is one that tunnels are made of, which has no ports.
func HasNoPorts(proto string) bool { return carriers[proto] != "" }

// ProtocolOf is a protocol as rules name it.
func ProtocolOf(name string) string {
	if number, ok := carriers[name]; ok {
		return number
	}
	if number, ok := spoken[name]; ok {
		return number
	}
	return name
}
