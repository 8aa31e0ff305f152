package advise

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/lazyregexp"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/survey"
)

const keySIPPorts = "firewall.sip.ports"

func (p *proposer) sip() error {
	have := p.cfg.Firewall.SIP.Ports
	ports := sipPorts(p.Facts, true)
	var words []string
	var ranges []config.PortRange
	outside := false
	for _, o := range ports {
		words = append(words, fmt.Sprintf("%s %d", o.Proto, o.Port))
		ranges = append(ranges, config.PortRange{First: o.Port, Last: o.Port})
		outside = outside || !have.Has(o.Port)
	}
	want := config.NewPorts(ranges...)
	on := "the PBX listens on " + list(words, 4)
	widened := p.cfg
	widened.Firewall.SIP.Ports = want
	switch {
	case len(ports) == 0:
		p.choose(Same, keySIPPorts, have.String(), "nothing was found that listens for SIP")
	case !outside:
		p.choose(Same, keySIPPorts, have.String(), "%s", on)
	case !slices.Equal(have, p.def.Firewall.SIP.Ports):
		p.choose(Yours, keySIPPorts, have.String(), "as you have it, but %s", on)
	case !want.Fit():
		p.choose(ByHand, keySIPPorts, have.String(), "%s, which are too many: choose, or name ranges that hold several", on)
	case !valid(widened):
		p.choose(ByHand, keySIPPorts, have.String(), "%s, and rtp or a service has some of %s too: choose", on, want)
	default:
		value := `"` + want.String() + `"`
		whole := fmt.Sprintf("{public: %t, ports: %s}", p.cfg.Firewall.SIP.Public, value)
		p.set(keySIPPorts, want.String(), on, func(c *config.Config) { c.Firewall.SIP.Ports = want },
			key(keySIPPorts, value, on), key("firewall.sip", "{ports: "+value+"}", on), key("firewall.sip", whole, on))
	}
	if public := p.cfg.Firewall.SIP.Public; public {
		p.choose(p.stateOf(public == p.def.Firewall.SIP.Public), "firewall.sip.public", "true", "phones from anywhere may register, within limits; false if all are local or use a VPN")
	} else {
		p.choose(Yours, "firewall.sip.public", "false", "as you have it: SIP only from local_networks and trunks")
	}
	return nil
}

func (p *proposer) stateOf(isDefault bool) State {
	if isDefault {
		return Same
	}
	return Yours
}

// valid reports whether a configuration is one that voipbl accepts.
func valid(c config.Config) bool {
	_, err := config.Parse("", c.YAML())
	return err == nil
}

const keyRTP = "firewall.rtp"

func (p *proposer) rtp() error {
	have := p.cfg.Firewall.RTP
	a := p.Facts.Asterisk
	if a == nil || a.RTP[0] == 0 {
		p.choose(p.stateOf(have == p.def.Firewall.RTP), keyRTP, have.String(), "voice and video; compare it with your PBX or media proxy")
		return nil
	}
	want := config.PortRange{First: a.RTP[0], Last: a.RTP[1]}
	changed := p.cfg
	changed.Firewall.RTP = want
	switch {
	case have == want:
		p.choose(Same, keyRTP, have.String(), "as in Asterisk's rtp.conf")
	case have != p.def.Firewall.RTP:
		p.choose(Yours, keyRTP, have.String(), "as you have it, but Asterisk's rtp.conf has %s", want)
	case !valid(changed):
		p.choose(ByHand, keyRTP, have.String(), "Asterisk's rtp.conf has %s, which has ports of SIP: choose", want)
	default:
		why := "as in Asterisk's rtp.conf"
		p.set(keyRTP, want.String(), why, func(c *config.Config) { c.Firewall.RTP = want }, key(keyRTP, `"`+want.String()+`"`, why))
	}
	return nil
}

const keyServices = "firewall.services"

// ssh makes sure that the service ssh has the ports on which sshd listens. Other services of the
// table may have no listener here, which does no harm.
func (p *proposer) ssh() error {
	var ports []uint16
	for _, l := range p.Facts.Listeners {
		if l.Proto == "tcp" && l.Program == "sshd" && !slices.Contains(ports, l.Port) {
			ports = append(ports, l.Port)
		}
	}
	slices.Sort(ports)
	at := slices.IndexFunc(p.cfg.Firewall.Services, func(s config.Service) bool { return s.Name == "ssh" && s.Proto == config.ProtoTCP })
	if len(ports) == 0 || at < 0 {
		return nil
	}
	service := p.cfg.Firewall.Services[at]
	var words []string
	var want []config.PortRange
	open := true
	for _, o := range ports {
		words = append(words, fmt.Sprint(o))
		want = append(want, config.PortRange{First: o, Last: o})
		open = open && slices.ContainsFunc(service.Ports, func(r config.PortRange) bool { return r.Has(o) })
	}
	text, value := "sshd listens on "+strings.Join(words, " and "), strings.Join(words, ",")
	switch isDefault := slices.EqualFunc(service.Ports, []config.PortRange{{First: 22, Last: 22}}, func(a, b config.PortRange) bool { return a == b }); {
	case open:
		p.choose(Same, keyServices, "ssh "+value, "%s", text)
	case !isDefault:
		p.choose(Yours, keyServices, "ssh …", "as you have it, but %s", text)
	case p.Text != nil && !hasServices().MatchString(p.text) && !p.cfg.Firewall.Base && !p.Base:
		p.choose(Same, keyServices, "ssh 22", "%s, which base rules would have to open; without them it does not matter", text)
	default:
		p.set(keyServices, "ssh "+value, text, func(c *config.Config) {
			c.Firewall.Services = slices.Clone(c.Firewall.Services)
			c.Firewall.Services[at].Ports = want
		}, func(t string) (string, bool) { return setSSH(t, value, text) }, func(t string) (string, bool) {
			if hasServices().MatchString(t) {
				return t, false // a list that the admin wrote, perhaps with comments
			}
			return setKey(t, strings.Split(keyServices, "."), p.servicesWith(at, want), text)
		})
	}
	return nil
}

var hasServices = lazyregexp.New(`\bservices["']?:`)

// servicesWith returns the whole list of services with new ports for one of them, for a text
// that has no such list yet.
func (p *proposer) servicesWith(at int, ports []config.PortRange) string {
	services := slices.Clone(p.cfg.Firewall.Services)
	services[at].Ports = ports
	return servicesText(services)
}

const keyDropAt = "firewall.drop_at"

func (p *proposer) dropAt() error {
	have := p.cfg.Firewall.DropAt
	why := ""
	switch {
	case p.owns("freepbx-firewall"), p.installed("freepbx-firewall"):
		why = reach.AvoidFreePBX.Words()
	case p.published():
		why = reach.AvoidPublished.Words()
	case p.Facts.Docker != nil && p.Facts.Docker.Running:
		why = "Docker runs, and what it publishes goes past INPUT"
	}
	switch {
	case have == config.DropInput && why != "":
		p.choose(Yours, keyDropAt, have, "as you have it, but %s", why)
	case have != p.def.Firewall.DropAt:
		p.choose(Yours, keyDropAt, have, "as you have it")
	case why == "" && (p.cfg.Firewall.Base || p.Base):
		p.choose(Same, keyDropAt, have, "raw PREROUTING while base rules are on, which track connections")
	case why == "":
		p.choose(Same, keyDropAt, have, "the first rule of INPUT: nothing here goes past it")
	default:
		p.set(keyDropAt, config.DropPrerouting, why, func(c *config.Config) { c.Firewall.DropAt = config.DropPrerouting },
			key(keyDropAt, config.DropPrerouting, why))
	}
	p.backend()
	return nil
}

// published reports whether ports are published past INPUT.
func (p *proposer) published() bool {
	return reach.Publishes(p.Rules, p.Native)
}

const keyBackend = "firewall.backend"

func (p *proposer) backend() {
	for _, k := range p.Rules {
		n := k.Saved[iptables.IPv4].Count() + k.Saved[iptables.IPv6].Count()
		have := p.cfg.Firewall.Backend
		switch {
		case k.Used && have != p.def.Firewall.Backend:
			p.choose(Yours, keyBackend, have, "as you have it")
		case k.Used:
			p.choose(Same, keyBackend, have, "the command iptables is of the %s kind here", k.Backend)
		case n > 0:
			p.choose(ByHand, keyBackend, have, "there %s in the %s backend too, which nobody sees: see \"voipbl doctor\"", isAre(n, "rule", "rules"), k.Backend)
		}
	}
}

// ownerNames are the other firewalls beside which base rules are not proposed.
var ownerNames = map[string]string{"ufw": "ufw", "firewalld": "firewalld", "freepbx-firewall": "FreePBX's firewall"}

// Owners returns the other programs that manage this host's firewall now, found by systemd, by
// processes, and by the rules in the kernel: FreePBX's rules stay in force while its daemon is
// down.
func Owners(f survey.Facts, byRules []string) []string {
	all := slices.Clone(byRules)
	known := slices.ContainsFunc(all, func(name string) bool { return strings.HasPrefix(name, "nftables (") })
	for _, o := range f.Firewalls {
		if o.Active && !(known && o.Name == "nftables") {
			all = append(all, orElse(ownerNames[o.Name], o.Name))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// installed reports whether a firewall program is installed, active or not.
func (p *proposer) installed(name string) bool {
	return slices.ContainsFunc(p.Facts.Firewalls, func(o host.Owner) bool { return o.Name == name })
}

// owners returns the other firewalls that are in force; see Owners.
func (p *proposer) owners() []string {
	all := slices.Clone(p.Owners)
	for _, o := range p.Facts.Firewalls {
		if name := ownerNames[o.Name]; o.Active && name != "" {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (p *proposer) owns(name string) bool { return slices.Contains(p.owners(), ownerNames[name]) }

// KeyBase is the key of the base rules.
const KeyBase = "firewall.base"

var errNoNetworks = &RefusedError{"without a local network nobody reaches SSH and the like", "name the networks that you and your phones come from with --local"}

func (p *proposer) base() error {
	if p.cfg.Firewall.DropAt == config.DropNone {
		if p.Base {
			return &RefusedError{"all rules are another program's (firewall.drop_at: none)", "set \"drop_at: auto\" first, if voipbl is to be the firewall of this host"}
		}
		p.choose(Same, KeyBase, "false", "all rules are another program's (drop_at: none)")
		return nil
	}
	owners, networks := strings.Join(p.owners(), " and "), len(p.cfg.Firewall.LocalNetworks) > 0
	p.out.BaseFits = (owners == "" || p.cfg.Firewall.BesideOthers) && networks
	switch {
	case p.cfg.Firewall.Base:
		p.choose(Yours, KeyBase, "true", "as you have it: voipbl is the whole firewall")
	case p.Base && owners != "" && !p.cfg.Firewall.BesideOthers:
		return &RefusedError{owners + " is the firewall of this host, and two undo what each other lets in", host.SwitchOffRemedy(p.owners()) + "; or leave --base out: blocked addresses are dropped all the same"}
	case p.Base && !networks:
		return errNoNetworks
	case p.Base:
		why := "as you have asked: voipbl is the whole firewall" + p.noLocal6()
		p.set(KeyBase, "true", why, func(c *config.Config) { c.Firewall.Base = true }, key(KeyBase, "true", why))
		if !p.cfg.Firewall.Base {
			return &RefusedError{"the configuration is of a form that is not changed by itself", "write \"base: true\" below \"firewall:\", then run \"voipbl firewall apply\""}
		}
	case owners != "":
		p.choose(Same, KeyBase, "false", "%s is the firewall here; blocked addresses are dropped all the same", owners)
	case !networks:
		p.choose(Same, KeyBase, "false", "where you and your phones come from is not known, so closing the rest would lock you out")
	default:
		p.choose(Same, KeyBase, "false", "only blocked addresses are dropped; --base makes voipbl the whole firewall%s", p.noLocal6())
	}
	return nil
}

// noLocal6 is a warning for a host that has IPv6 but no local IPv6 network; else "".
func (p *proposer) noLocal6() string {
	if slices.ContainsFunc(p.cfg.Firewall.LocalNetworks, func(n netip.Prefix) bool { return n.Addr().Is6() }) ||
		!slices.ContainsFunc(p.Facts.Networks, func(n host.Network) bool { return public6(n) }) {
		return ""
	}
	return ", and closes SSH and the like over IPv6, where you have no local network"
}

// public6 reports whether a network's address is IPv6 and can be reached from everywhere.
func public6(n host.Network) bool {
	return n.Addr.Is6() && n.Addr.IsGlobalUnicast() && !n.Private && !n.Container
}
