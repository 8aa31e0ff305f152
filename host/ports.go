package host

// The ports of SIP, and of SIP over TLS (RFC 3261, 18.1 and 26.2), which PBXs take if their
// configuration names none (Asterisk: res/res_pjsip/config_transport.c).
const (
	SIPPort  = 5060
	SIPSPort = 5061
)

// WebSocket is a TCP port that browsers speak SIP to.
type WebSocket struct {
	Port uint16 `json:"port"`
	TLS  bool   `json:"tls"`
}

// Port is a port and its protocol.
type Port struct {
	Proto string `json:"proto"`
	Port  uint16 `json:"port"`
}
