package config

import (
	"fmt"
	"slices"
)

// KeyLocalNetworks is the key that base rules need. A caller that knows the host's
// networks can suggest a value.
const KeyLocalNetworks = "firewall.local_networks"

// firewall checks the keys below "firewall".
func (r *reader) firewall(raw rawFirewall, fw *Firewall) {
	read(r, "firewall.backend", raw.Backend, &fw.Backend, oneOf(BackendAuto, BackendNFT, BackendLegacy))
	read(r, "firewall.drop_at", raw.DropAt, &fw.DropAt, oneOf(DropAuto, DropInput, DropPrerouting, DropNone))
	read(r, "firewall.ipv6", raw.IPv6, &fw.IPv6, oneOf(IPv6Auto, IPv6Off))
	keep(raw.DropOutbound, &fw.DropOutbound)
	read(r, "firewall.log_drops", raw.LogDrops, &fw.LogDrops, oneOf(LogOff, LogKernel, LogNetlink))
	keep(raw.Base, &fw.Base)
	keep(raw.BesideOthers, &fw.BesideOthers)
	readList(r, "firewall.local_networks", raw.LocalNetworks, &fw.LocalNetworks, parseNetwork)
	readList(r, "firewall.trunks", raw.Trunks, &fw.Trunks, parseHost)
	keep(raw.SIP.Public, &fw.SIP.Public)
	read(r, "firewall.sip.ports", (*string)(raw.SIP.Ports), &fw.SIP.Ports, parseSIPPorts)
	read(r, "firewall.rtp", raw.RTP, &fw.RTP, parsePortRange)
	r.services(raw.Services, &fw.Services)
	r.notSIP(fw)

	if fw.Base && fw.DropAt == DropNone {
		r.fail("firewall.drop_at", faultf("expected auto, input or prerouting, or \"base: false\"",
			"none leaves all rules to another program, and \"base: true\" makes voipbl the whole firewall"))
	}

	// Without a local network nothing of the intranet reaches the host: no phone, no SSH.
	const local = KeyLocalNetworks
	f := faultf(`expected the networks of your phones and your own, such as ["192.168.1.0/24"]`,
		"needed with \"base: true\", but empty")
	f.missing = true
	switch {
	case !fw.Base:
	case !r.written(local):
		r.failAt(r.places["firewall.base"], local, f)
	case raw.LocalNetworks != nil && len(raw.LocalNetworks) == 0:
		r.fail(local, f)
	}
}

func (r *reader) services(raw []*rawService, dst *[]Service) {
	if raw == nil || !r.fits("firewall.services", len(raw), maxServices) {
		return
	}
	*dst = nil
	type id struct{ name, proto string }
	first := make(map[id]int)
	for i, rs := range raw {
		if rs == nil {
			continue
		}
		key := fmt.Sprintf("firewall.services[%d]", i)
		s := r.service(key, rs)
		if j, twice := first[id{s.Name, s.Proto}]; twice {
			r.fail(key+".name", faultf("expected each name once for a protocol; put the ports together, such as \"80,443\"",
				"firewall.services[%d] has the same name and protocol (%s)", j, quote(s.Name)))
		} else if s.Name != "" && s.Proto != "" {
			first[id{s.Name, s.Proto}] = i
		}
		*dst = append(*dst, s)
	}
}

// notSIP refuses RTP and services on SIP ports: their rules would let everyone, or the
// whole local network, bypass the rate limits of SIP.
func (r *reader) notSIP(fw *Firewall) {
	if fw.SIP.Ports.overlap(fw.RTP) {
		r.fail("firewall.rtp", faultf("expected other ports, as in Asterisk's rtp.conf, or a change of firewall.sip",
			"%s has ports of firewall.sip (%s), which has rules of its own", fw.RTP, fw.SIP.Ports))
	}
	for i, s := range fw.Services {
		for _, p := range s.Ports {
			if fw.SIP.Ports.overlap(p) {
				r.fail(fmt.Sprintf("firewall.services[%d].ports", i), faultf("expected other ports, or a change of firewall.sip",
					"%s is a port of firewall.sip (%s), which has rules of its own", p, fw.SIP.Ports))
			}
		}
	}
}

func (r *reader) service(key string, raw *rawService) Service {
	s := Service{From: FromLAN} // the safer default
	require(r, key+".name", raw.Name, &s.Name, nameExample, parseName)
	protos := slices.Concat([]string{ProtoTCP, ProtoUDP}, portless)
	require(r, key+".proto", raw.Proto, &s.Proto, "expected tcp or udp, or esp, gre, ipip, 6in4", oneOf(protos...))
	switch {
	case !slices.Contains(portless, s.Proto):
		require(r, key+".ports", (*string)(raw.Ports), &s.Ports, portsExample, parsePorts)
	case raw.Ports != nil:
		r.fail(key+".ports", faultf("expected no such key", "%s has no ports", s.Proto))
	}
	read(r, key+".from", raw.From, &s.From, oneOf(FromLAN, FromAny))
	return s
}
