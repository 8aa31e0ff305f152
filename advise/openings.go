package advise

import (
	"slices"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/host"
)

// Opening is something that base rules let in.
type Opening struct {
	Service string   `json:"service"`
	Protos  []string `json:"protos"`
	Ports   string   `json:"ports,omitempty"` // empty for a protocol without ports
	From    From     `json:"from"`
	Used    bool     `json:"used"` // something listens there, or may later
}

// From is who is let in.
type From string

const (
	FromEveryone From = "everyone"
	FromLimited  From = "everyone, within limits"
	FromLocal    From = "local_networks"
	FromTrunks   From = "trunks"
)

// Openings returns what the base rules of a configuration let in: first telephony, then what is
// for everybody, then what is for the local networks.
func Openings(cfg config.Config, listeners []host.Listener) []Opening {
	fw := cfg.Firewall
	both, sip := []string{config.ProtoUDP, config.ProtoTCP}, fw.SIP.Ports.String()
	var all []Opening
	if fw.SIP.Public {
		all = append(all, Opening{"sip", both, sip, FromLimited, true})
	}
	all = append(all, Opening{"sip", both, sip, FromLocal, true})
	if len(fw.Trunks) > 0 {
		all = append(all, Opening{"sip", both[:1], sip, FromTrunks, true})
	}
	all = append(all, Opening{"rtp", both[:1], fw.RTP.String(), FromEveryone, true})
	for _, from := range []From{FromEveryone, FromLocal} {
		for _, s := range fw.Services {
			if (s.From == config.FromAny) == (from == FromEveryone) {
				all = addOpening(all, Opening{s.Name, []string{s.Proto}, portsText(s), from, listens(s, listeners)})
			}
		}
	}
	return append(all, Opening{"ping", []string{"icmp"}, "", FromLocal, true})
}

// addOpening adds an opening, or its protocol to an opening of the same service.
func addOpening(all []Opening, o Opening) []Opening {
	for i, other := range all {
		if other.Service == o.Service && other.Ports == o.Ports && other.From == o.From {
			all[i].Protos = append(slices.Clone(other.Protos), o.Protos...)
			all[i].Used = other.Used || o.Used
			return all
		}
	}
	return append(all, o)
}

func portsText(s config.Service) string {
	if len(s.Ports) == 0 {
		return ""
	}
	return config.Ports(s.Ports).String()
}

// listens reports whether something listens on a port of a service.
func listens(s config.Service, listeners []host.Listener) bool {
	return slices.ContainsFunc(listeners, func(l host.Listener) bool {
		return l.Proto == s.Proto && (l.Port == 0 && len(s.Ports) == 0 || config.Ports(s.Ports).Has(l.Port))
	})
}
