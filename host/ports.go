package host

// The ports of SIP and of SIP over TLS (RFC 3261, 18.1 and 26.2). PBXs use them if their
// configuration sets none (Asterisk: res/res_pjsip/config_transport.c).
const (
	SIPPort  = 5060
	SIPSPort = 5061
)

// WebSocket is a TCP port on which browsers speak SIP.
type WebSocket struct {
	Port uint16 `json:"port"`
	TLS  bool   `json:"tls"`
}

// Port is a port with its protocol.
type Port struct {
	Proto string `json:"proto"`
	Port  uint16 `json:"port"`
}
