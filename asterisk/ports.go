package asterisk

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/voipbl/voipbl/host"
)

// pjsipPorts returns the ports of the transports in pjsip.conf. It skips WebSockets, which use
// Asterisk's web server, and flows, which have no port of their own.
func pjsipPorts(c *astConfig) ([]host.Port, error) {
	var ports []host.Port
	var errs []error
	for _, s := range c.ofType("transport") {
		p := host.Port{Proto: "tcp", Port: host.SIPPort}
		switch protocol := strings.ToLower(s.get("protocol")); protocol {
		case "", "udp":
			p.Proto = "udp"
		case "tcp":
		case "tls":
			p.Port = host.SIPSPort
		default:
			continue
		}
		bind := s.get("bind")
		if bind == "" {
			continue // Asterisk refuses such a transport
		}
		addr, port, err := bindAddr(bind, p.Port)
		if err != nil {
			errs = append(errs, fmt.Errorf("transport %q: bind: %w", s.name, err))
			continue
		}
		if p.Port = port; !addr.IsLoopback() {
			ports = append(ports, p)
		}
	}
	return ports, several(errs)
}

// sipPorts returns the ports of chan_sip: UDP always, TCP and TLS if enabled. Without a setting of
// its own TCP uses UDP's port, and TLS its standard port. bindport takes precedence over the port
// of an address (all observed with Asterisk 16).
func sipPorts(c *astConfig) ([]host.Port, error) {
	general := c.section("general")
	var errs []error
	bind := func(name, value string, port uint16) (netip.Addr, uint16) {
		addr, port, err := bindAddr(value, port)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
		return addr, port
	}
	udp, port := netip.IPv4Unspecified(), uint16(host.SIPPort)
	for _, v := range general.vars { // two names for one setting: the last counts
		if strings.EqualFold(v.name, "udpbindaddr") || strings.EqualFold(v.name, "bindaddr") {
			udp, port = bind(v.name, v.value, host.SIPPort)
		}
	}
	if v := general.get("bindport"); v != "" {
		if n, err := strconv.ParseUint(v, 10, 16); err != nil || n == 0 {
			errs = append(errs, fmt.Errorf("bindport: %q is no port", v))
		} else {
			port = uint16(n)
		}
	}
	var ports []host.Port
	add := func(proto string, addr netip.Addr, port uint16) {
		if port != 0 && !addr.IsLoopback() {
			ports = append(ports, host.Port{Proto: proto, Port: port})
		}
	}
	add("udp", udp, port)
	if astTrue(general.get("tcpenable")) {
		addr, port := udp, port
		if v := general.get("tcpbindaddr"); v != "" {
			addr, port = bind("tcpbindaddr", v, host.SIPPort)
		}
		add("tcp", addr, port)
	}
	if astTrue(general.get("tlsenable")) {
		addr, port := udp, uint16(host.SIPSPort)
		if v := general.get("tlsbindaddr"); v != "" {
			addr, port = bind("tlsbindaddr", v, host.SIPSPort)
		}
		add("tcp", addr, port)
	}
	return ports, several(errs)
}

// bindAddr parses ADDRESS, ADDRESS:PORT, [ADDRESS] or [ADDRESS]:PORT. The address of a name is not
// known.
func bindAddr(s string, otherwise uint16) (netip.Addr, uint16, error) {
	host, port, err := splitPort(s)
	if err != nil {
		return netip.Addr{}, 0, err
	}
	if port == 0 {
		port = otherwise
	}
	addr, _ := netip.ParseAddr(host)
	return addr, port, nil
}

// splitPort splits the port off a host; it is 0 if there is none. An IPv6 address with a port is in
// brackets.
func splitPort(s string) (host string, port uint16, err error) {
	host = s
	digits := ""
	if rest, ok := strings.CutPrefix(s, "["); ok {
		host, digits, ok = strings.Cut(rest, "]")
		if !ok {
			return "", 0, fmt.Errorf("%q has no closing bracket", s)
		}
		if digits != "" && digits[0] != ':' {
			return "", 0, fmt.Errorf("%q has no port after its bracket", s)
		}
		digits = strings.TrimPrefix(digits, ":")
	} else if strings.Count(s, ":") == 1 {
		host, digits, _ = strings.Cut(s, ":")
	}
	if digits == "" {
		return host, 0, nil
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("%q: %q is no port", s, digits)
	}
	return host, uint16(n), nil
}
