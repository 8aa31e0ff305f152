package testrules

import (
	"slices"
	"testing"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

// DropOnly returns the settings of a configuration without firewall keys.
func DropOnly() ruleset.Settings {
	return ruleset.Settings{Sets: [2]string{"voip_bl", "voip_bl6"}, BanSets: [2]string{"voip_ban", "voip_ban6"}, DropAt: ruleset.AtInput}
}

// Full returns settings with the default base rules, one local network and one trunk of
// each family.
func Full() ruleset.Settings {
	s := DropOnly()
	s.Base = Base()
	s.Base.LocalNetworks = testvalue.Prefixes("192.168.1.0/24", "fd12:3456:789a::/48")
	s.Base.Trunks = testvalue.Prefixes("203.0.113.10/32", "2001:db8:10::10/128")
	return s
}

// Base returns the base rules of an empty configuration.
func Base() *ruleset.Base {
	c := config.Default().Firewall
	b := &ruleset.Base{SIPPublic: c.SIP.Public, RTP: iptables.PortRange(c.RTP)}
	for _, p := range c.SIP.Ports {
		b.SIP = append(b.SIP, iptables.PortRange(p))
	}
	for _, s := range c.Services {
		service := ruleset.Service{Name: s.Name, Proto: s.Proto, Public: s.From == config.FromAny}
		for _, p := range s.Ports {
			service.Ports = append(service.Ports, iptables.PortRange(p))
		}
		b.Services = append(b.Services, service)
	}
	return b
}

// Everything returns settings with everything that can be configured together.
func Everything() ruleset.Settings {
	s := Full()
	s.DropOutbound, s.LogDrops = true, ruleset.LogNetlink
	return s
}

// AtPrerouting returns s with the drop in PREROUTING.
func AtPrerouting(s ruleset.Settings) ruleset.Settings {
	s.DropAt = ruleset.AtPrerouting
	return s
}

// Configurations returns typical settings, by name.
func Configurations() map[string]ruleset.Settings {
	with := func(change func(s *ruleset.Settings)) ruleset.Settings {
		s := Full()
		change(&s)
		return s
	}
	services := func(change func(list []ruleset.Service) []ruleset.Service) ruleset.Settings {
		return with(func(s *ruleset.Settings) { s.Base.Services = change(s.Base.Services) })
	}
	replace := func(list []ruleset.Service, name, proto string, service ruleset.Service) []ruleset.Service {
		i := slices.IndexFunc(list, func(s ruleset.Service) bool { return s.Name == name && s.Proto == proto })
		return slices.Replace(list, i, i+1, service)
	}
	all := map[string]ruleset.Settings{
		"drop-input":      DropOnly(),
		"drop-prerouting": AtPrerouting(DropOnly()),
		"drop-other-set":  {Sets: [2]string{"bad_guys", "bad_guys6"}, BanSets: [2]string{"own_bans", "own_bans6"}, DropAt: ruleset.AtInput},
		"outbound":        {Sets: DropOnly().Sets, BanSets: DropOnly().BanSets, DropAt: ruleset.AtInput, DropOutbound: true},
		"log-kernel":      {Sets: DropOnly().Sets, BanSets: DropOnly().BanSets, DropAt: ruleset.AtInput, LogDrops: ruleset.LogKernel},
		"log-netlink-outbound-prerouting": {
			Sets: DropOnly().Sets, BanSets: DropOnly().BanSets, DropAt: ruleset.AtPrerouting, DropOutbound: true, LogDrops: ruleset.LogNetlink,
		},
		"base": Full(),
		"base-several-networks": with(func(s *ruleset.Settings) {
			s.Base.LocalNetworks = testvalue.Prefixes("192.168.1.0/24", "10.0.0.0/8", "192.0.2.7/32", "fd12:3456:789a::/48", "2001:db8:1::/64")
			s.Base.Trunks = testvalue.Prefixes("203.0.113.10/32", "198.51.100.0/25", "2001:db8:10::10/128", "2001:db8:20::/56")
		}),
		"base-ipv4-only": with(func(s *ruleset.Settings) {
			s.Base.LocalNetworks, s.Base.Trunks = testvalue.Prefixes("192.168.1.0/24"), testvalue.Prefixes("203.0.113.10/32")
		}),
		"base-known":        with(func(s *ruleset.Settings) { s.KnownSets = [2]string{"voip_known", "voip_known6"} }),
		"base-no-trunk":     with(func(s *ruleset.Settings) { s.Base.Trunks = nil }),
		"base-sip-private":  with(func(s *ruleset.Settings) { s.Base.SIPPublic = false }),
		"base-one-sip-port": with(func(s *ruleset.Settings) { s.Base.SIP = ruleset.Ports{{First: 5080, Last: 5080}} }),
		"base-sip-list": with(func(s *ruleset.Settings) {
			s.Base.SIP = ruleset.Ports{{First: 5060, Last: 5061}, {First: 5080, Last: 5080}, {First: 5160, Last: 5170}}
		}),
		"base-wide-ports": with(func(s *ruleset.Settings) {
			s.Base.SIP, s.Base.RTP = ruleset.Ports{{First: 5060, Last: 5090}}, iptables.PortRange{First: 1024, Last: 65535}
		}),
		"base-highest-ports": with(func(s *ruleset.Settings) {
			s.Base.SIP, s.Base.RTP = ruleset.Ports{{First: 65534, Last: 65535}}, iptables.PortRange{First: 1, Last: 1}
		}),
		"services-added": services(func(list []ruleset.Service) []ruleset.Service {
			return append(list, ruleset.Service{Name: "turn", Proto: "udp", Ports: []iptables.PortRange{{First: 3478, Last: 3479}, {First: 49152, Last: 65535}}, Public: true}, ruleset.Service{Name: "grafana", Proto: "tcp", Ports: []iptables.PortRange{{First: 3000, Last: 3000}}, Public: false})
		}),
		"services-removed": services(func(list []ruleset.Service) []ruleset.Service {
			return slices.DeleteFunc(list, func(s ruleset.Service) bool { return s.Name == "samba" || s.Name == "mgcp" })
		}),
		"services-changed": services(func(list []ruleset.Service) []ruleset.Service {
			return replace(list, "http", "tcp", ruleset.Service{Name: "http", Proto: "tcp", Ports: []iptables.PortRange{{First: 8080, Last: 8080}}, Public: false})
		}),
		"services-none": services(func([]ruleset.Service) []ruleset.Service { return nil }),
		"services-all-public": services(func(list []ruleset.Service) []ruleset.Service {
			for i := range list {
				list[i].Public = true
			}
			return list
		}),
		"ssh-several-ports": services(func(list []ruleset.Service) []ruleset.Service {
			return replace(list, "ssh", "tcp", ruleset.Service{Name: "ssh", Proto: "tcp", Ports: []iptables.PortRange{{First: 22, Last: 22}, {First: 2222, Last: 2223}, {First: 22000, Last: 22100}}, Public: false})
		}),
		"everything-input":      Everything(),
		"everything-prerouting": AtPrerouting(Everything()),
		"base-prerouting-log":   with(func(s *ruleset.Settings) { s.DropAt, s.LogDrops = ruleset.AtPrerouting, ruleset.LogKernel }),
	}
	return all
}

// Empty returns the listing of a kernel without rules.
func Empty(t *testing.T, f iptables.Family) *iptables.Saved {
	t.Helper()
	return Parsed(t, f, "")
}

// Parsed returns the listing in a text of iptables-save.
func Parsed(t interface {
	Helper()
	Fatal(...any)
}, f iptables.Family, save string) *iptables.Saved {
	t.Helper()
	s, err := iptables.ParseSaved(f, []byte(save))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
