package firewall

import (
	"slices"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/iptables"
)

// dropOnly are the settings of a configuration that has nothing about the
// firewall.
func dropOnly() Settings {
	return Settings{Sets: [2]string{"voip_bl", "voip_bl6"}, BanSets: [2]string{"voip_ban", "voip_ban6"}, DropAt: AtInput}
}

// full are the settings with the base rules as an empty configuration has them,
// with one local network and one trunk of each family.
func full() Settings {
	s := dropOnly()
	s.Base = defaultBase()
	s.Base.LocalNetworks = prefixes("192.168.1.0/24", "fd12:3456:789a::/48")
	s.Base.Trunks = prefixes("203.0.113.10/32", "2001:db8:10::10/128")
	return s
}

// defaultBase is the base rules of an empty configuration.
func defaultBase() *Base {
	c := config.Default().Firewall
	b := &Base{SIPPublic: c.SIP.Public, RTP: iptables.PortRange(c.RTP)}
	for _, p := range c.SIP.Ports {
		b.SIP = append(b.SIP, iptables.PortRange(p))
	}
	for _, s := range c.Services {
		service := Service{Name: s.Name, Proto: s.Proto, Public: s.From == config.FromAny}
		for _, p := range s.Ports {
			service.Ports = append(service.Ports, iptables.PortRange(p))
		}
		b.Services = append(b.Services, service)
	}
	return b
}

// everything has all that can be asked for at once.
func everything() Settings {
	s := full()
	s.DropOutbound, s.LogDrops = true, LogNetlink
	return s
}

// atPrerouting is the same with the drop moved there.
func atPrerouting(s Settings) Settings {
	s.DropAt = AtPrerouting
	return s
}

// configurations are what people ask for, by name.
func configurations() map[string]Settings {
	with := func(change func(s *Settings)) Settings {
		s := full()
		change(&s)
		return s
	}
	services := func(change func(list []Service) []Service) Settings {
		return with(func(s *Settings) { s.Base.Services = change(s.Base.Services) })
	}
	replace := func(list []Service, name, proto string, service Service) []Service {
		i := slices.IndexFunc(list, func(s Service) bool { return s.Name == name && s.Proto == proto })
		return slices.Replace(list, i, i+1, service)
	}
	all := map[string]Settings{
		"drop-input":      dropOnly(),
		"drop-prerouting": atPrerouting(dropOnly()),
		"drop-other-set":  {Sets: [2]string{"bad_guys", "bad_guys6"}, BanSets: [2]string{"own_bans", "own_bans6"}, DropAt: AtInput},
		"outbound":        {Sets: dropOnly().Sets, BanSets: dropOnly().BanSets, DropAt: AtInput, DropOutbound: true},
		"log-kernel":      {Sets: dropOnly().Sets, BanSets: dropOnly().BanSets, DropAt: AtInput, LogDrops: LogKernel},
		"log-netlink-outbound-prerouting": {
			Sets: dropOnly().Sets, BanSets: dropOnly().BanSets, DropAt: AtPrerouting, DropOutbound: true, LogDrops: LogNetlink,
		},
		"base": full(),
		"base-several-networks": with(func(s *Settings) {
			s.Base.LocalNetworks = prefixes("192.168.1.0/24", "10.0.0.0/8", "192.0.2.7/32", "fd12:3456:789a::/48", "2001:db8:1::/64")
			s.Base.Trunks = prefixes("203.0.113.10/32", "198.51.100.0/25", "2001:db8:10::10/128", "2001:db8:20::/56")
		}),
		"base-ipv4-only": with(func(s *Settings) {
			s.Base.LocalNetworks, s.Base.Trunks = prefixes("192.168.1.0/24"), prefixes("203.0.113.10/32")
		}),
		"base-no-trunk":     with(func(s *Settings) { s.Base.Trunks = nil }),
		"base-sip-private":  with(func(s *Settings) { s.Base.SIPPublic = false }),
		"base-one-sip-port": with(func(s *Settings) { s.Base.SIP = Ports{{First: 5080, Last: 5080}} }),
		"base-sip-list": with(func(s *Settings) {
			s.Base.SIP = Ports{{First: 5060, Last: 5061}, {First: 5080, Last: 5080}, {First: 5160, Last: 5170}}
		}),
		"base-wide-ports": with(func(s *Settings) {
			s.Base.SIP, s.Base.RTP = Ports{{First: 5060, Last: 5090}}, iptables.PortRange{First: 1024, Last: 65535}
		}),
		"base-highest-ports": with(func(s *Settings) {
			s.Base.SIP, s.Base.RTP = Ports{{First: 65534, Last: 65535}}, iptables.PortRange{First: 1, Last: 1}
		}),
		"services-added": services(func(list []Service) []Service {
			return append(list, Service{"turn", "udp", []iptables.PortRange{{First: 3478, Last: 3479}, {First: 49152, Last: 65535}}, true}, Service{"grafana", "tcp", []iptables.PortRange{{First: 3000, Last: 3000}}, false})
		}),
		"services-removed": services(func(list []Service) []Service {
			return slices.DeleteFunc(list, func(s Service) bool { return s.Name == "samba" || s.Name == "mgcp" })
		}),
		"services-changed": services(func(list []Service) []Service {
			return replace(list, "http", "tcp", Service{"http", "tcp", []iptables.PortRange{{First: 8080, Last: 8080}}, false})
		}),
		"services-none": services(func([]Service) []Service { return nil }),
		"services-all-public": services(func(list []Service) []Service {
			for i := range list {
				list[i].Public = true
			}
			return list
		}),
		"ssh-several-ports": services(func(list []Service) []Service {
			return replace(list, "ssh", "tcp", Service{"ssh", "tcp", []iptables.PortRange{{First: 22, Last: 22}, {First: 2222, Last: 2223}, {First: 22000, Last: 22100}}, false})
		}),
		"everything-input":      everything(),
		"everything-prerouting": atPrerouting(everything()),
		"base-prerouting-log":   with(func(s *Settings) { s.DropAt, s.LogDrops = AtPrerouting, LogKernel }),
	}
	return all
}
