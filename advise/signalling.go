package advise

import (
	"fmt"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/asterisk"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/survey"
)

// sipPrograms are programs whose ports are all SIP. For FreeSWITCH only those between
// freeSWITCHLeast and freeSWITCHMedia are: its profiles use 5060 and 5080, with TLS 5061 and
// 5081, and its media begin at 16384.
var sipPrograms = []string{"kamailio", "opensips", "freeswitch"}

const freeSWITCHLeast, freeSWITCHMedia = 5000, 6000

// freeSWITCHWeb are FreeSWITCH's ports for SIP by WebSocket; true means with TLS.
var freeSWITCHWeb = map[uint16]bool{5066: false, 7443: true}

// SIPPorts returns where this host listens for SIP: as Asterisk is configured, as other running
// programs are configured, and where something listens now.
func SIPPorts(f survey.Facts) []host.Port { return sipPorts(f, false) }

// sipPorts is SIPPorts; with idle it includes programs that do not run yet.
func sipPorts(f survey.Facts, idle bool) []host.Port {
	var ports []host.Port
	add := func(p host.Port) {
		if p.Port > 0 && !slices.Contains(ports, p) {
			ports = append(ports, p)
		}
	}
	if f.Asterisk != nil {
		for _, p := range f.Asterisk.SIP {
			if p.Proto != "ws" && p.Proto != "wss" { // those come through the web server
				add(p)
			}
		}
	}
	for _, x := range f.PBXs {
		for _, p := range x.SIP {
			if x.Running || idle {
				add(p)
			}
		}
	}
	for _, l := range f.Listeners {
		if isSIP(l) {
			add(host.Port{Proto: l.Proto, Port: l.Port})
		}
	}
	slices.SortFunc(ports, func(a, b host.Port) int {
		if a.Port != b.Port {
			return int(a.Port) - int(b.Port)
		}
		return strings.Compare(a.Proto, b.Proto)
	})
	return ports
}

// isSIP reports whether a listener is for SIP.
func isSIP(l host.Listener) bool {
	if !slices.Contains(sipPrograms, l.Program) || l.Proto != "udp" && l.Proto != "tcp" {
		return false
	}
	if l.Program != "freeswitch" {
		return true
	}
	_, web := freeSWITCHWeb[l.Port]
	return freeSWITCHLeast <= l.Port && l.Port < freeSWITCHMedia && !(web && l.Proto == "tcp")
}

// webSockets returns where browsers connect by WebSocket.
func webSockets(f survey.Facts, idle bool) []host.WebSocket {
	var all []host.WebSocket
	add := func(w ...host.WebSocket) {
		for _, one := range w {
			if !slices.Contains(all, one) {
				all = append(all, one)
			}
		}
	}
	if f.Asterisk != nil {
		add(f.Asterisk.WebSockets...)
	}
	for _, x := range f.PBXs {
		if x.Running || idle {
			add(x.WebSockets...)
		}
	}
	for _, l := range f.Listeners {
		if tls, web := freeSWITCHWeb[l.Port]; web && l.Program == "freeswitch" && l.Proto == "tcp" {
			add(host.WebSocket{Port: l.Port, TLS: tls})
		}
	}
	slices.SortFunc(all, func(a, b host.WebSocket) int { return int(a.Port) - int(b.Port) })
	return all
}

// iax2 returns Asterisk's configuration of IAX2; nil if there is none.
func iax2(f survey.Facts) *asterisk.IAX2 {
	if f.Asterisk == nil {
		return nil
	}
	return f.Asterisk.IAX2
}

// wish is a port of the PBX that base rules should open as a service.
type wish struct {
	host.Port
	name, from, why string
}

// wishes returns the ports of the PBX other than SIP. Browsers may connect from where phones may;
// without TLS only from the local networks, since on that port Asterisk's web server also answers
// programs that control it.
func wishes(f survey.Facts, fw config.Firewall, idle bool) []wish {
	var all []wish
	if x := iax2(f); x != nil {
		for _, p := range x.Ports {
			all = append(all, wish{p, "iax2", config.FromAny, fmt.Sprintf("Asterisk listens for IAX2 on udp %d", p.Port)})
		}
	}
	for _, w := range webSockets(f, idle) {
		from, name, how := config.FromLAN, "websocket-plain", "WebSockets"
		if w.TLS {
			name, how = "websocket", "WebSockets with TLS"
			if fw.SIP.Public {
				from = config.FromAny
			}
		}
		all = append(all, wish{host.Port{Proto: "tcp", Port: w.Port}, name, from, fmt.Sprintf("the PBX listens for SIP by %s on tcp %d", how, w.Port)})
	}
	return all
}

// item returns a service that opens the port, with a name that no service has yet.
func (w wish) item(services []config.Service) config.Service {
	s := config.Service{Name: w.name, Proto: w.Proto, From: w.from, Ports: []config.PortRange{{First: w.Port.Port, Last: w.Port.Port}}}
	if slices.ContainsFunc(services, func(o config.Service) bool { return o.Name == s.Name && o.Proto == s.Proto }) {
		s.Name = fmt.Sprintf("%s-%d", s.Name, w.Port.Port)
	}
	return s
}

// serviceText formats a service on one line.
func serviceText(s config.Service) string {
	var words []string
	for _, r := range s.Ports {
		words = append(words, r.String())
	}
	ports := ""
	if len(words) > 0 {
		ports = fmt.Sprintf(" ports: %q,", strings.Join(words, ","))
	}
	return fmt.Sprintf("{name: %s, proto: %s,%s from: %s}", s.Name, s.Proto, ports, s.From)
}

// servicesText formats a whole list of services, as a value below its key.
func servicesText(services []config.Service) string {
	var b strings.Builder
	for _, s := range services {
		b.WriteString("\n    - " + serviceText(s))
	}
	return b.String()
}

// signalling proposes services for the ports of the PBX other than SIP.
func (p *proposer) signalling() error {
	for _, w := range wishes(p.Facts, p.cfg.Firewall, true) {
		if covers(p.cfg.Firewall, w.Port) {
			continue
		}
		s := w.item(p.cfg.Firewall.Services)
		value := fmt.Sprintf("%s %d", s.Name, w.Port.Port)
		if p.Text != nil && !hasServices().MatchString(p.text) && !p.cfg.Firewall.Base && !p.Base {
			p.choose(Same, keyServices, "without "+value, "%s, which base rules would have to open; without them it does not matter", w.why)
			continue
		}
		services := append(slices.Clone(p.cfg.Firewall.Services), s)
		p.set(keyServices, value, w.why, func(c *config.Config) { c.Firewall.Services = services },
			func(t string) (string, bool) {
				return addItems(t, strings.Split(keyServices, "."), []string{serviceText(s)}, w.why)
			},
			func(t string) (string, bool) {
				if hasServices().MatchString(t) {
					return t, false // a list that the admin wrote, perhaps with comments
				}
				return setKey(t, strings.Split(keyServices, "."), servicesText(services), w.why)
			})
	}
	return nil
}
