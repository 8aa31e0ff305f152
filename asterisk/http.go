package asterisk

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/voipbl/voipbl/host"
)

// These are the ports of Asterisk's web server (DEFAULT_PORT and DEFAULT_TLS_PORT of main/http.c).
const httpPort, httpsPort = 8088, 8089

// webSockets returns the ports of Asterisk's web server, if SIP comes in by them: if there is a
// transport "ws" or "wss"; either one serves both ports. Without "bindaddr" the web server has no
// ports.
func (r *astReader) webSockets(pjsip *astConfig) []host.WebSocket {
	if !usesWebSockets(pjsip) {
		return nil
	}
	return webPorts(r.astConfig("http.conf").section("general"))
}

func usesWebSockets(pjsip *astConfig) bool {
	for _, s := range pjsip.ofType("transport") {
		if p := s.get("protocol"); strings.EqualFold(p, "ws") || strings.EqualFold(p, "wss") {
			return true
		}
	}
	return false
}

func webPorts(general *astSection) []host.WebSocket {
	get := func(names ...string) (value string) {
		for _, v := range general.vars {
			for _, n := range names {
				if strings.EqualFold(v.name, n) {
					value = v.value
				}
			}
		}
		return value
	}
	portOf := func(text string, otherwise uint16) uint16 {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n == 0 {
			return otherwise
		}
		return uint16(n)
	}
	var all []host.WebSocket
	plain, err := netip.ParseAddr(strings.Trim(get("bindaddr"), "[]"))
	enabled := err == nil && astTrue(get("enabled"))
	if enabled && !plain.IsLoopback() {
		all = append(all, host.WebSocket{Port: portOf(get("bindport"), httpPort)})
	}
	if !astTrue(get("tlsenable", "sslenable")) {
		return all
	}
	port := portOf(get("tlsbindport", "sslbindport"), httpsPort)
	addr := plain
	if bind := get("tlsbindaddr", "sslbindaddr"); bind != "" {
		if addr, port, err = bindAddr(bind, port); err != nil {
			return all
		}
	} else if !enabled {
		return all // it uses the other port's address
	}
	if !addr.IsLoopback() {
		all = append(all, host.WebSocket{Port: port, TLS: true})
	}
	return all
}
