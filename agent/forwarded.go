package agent

import (
	"fmt"
	"slices"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	facts "github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/nft"
)

// A PBX in a container is reached by ports that this host sends on. A native table that drops
// all that is forwarded cuts it off, and neither iptables nor base rules show it.

// forwardedElsewhere finds native tables that drop, for certain, what is sent on to ports of
// phones.
func forwardedElsewhere(cfg config.Config, p Passed) (all []Obstacle) {
	if p.Native == nil {
		return nil
	}
	ports := make(map[string][]string)
	var tables []string
	for _, f := range firewall.Families {
		for _, to := range Published(p.Rules, p.Native, f) {
			if !forPhones(cfg, to) {
				continue
			}
			for _, of := range p.Native.StopsForwarded(nft.Packet{Is6: f == firewall.IPv6, Proto: to.Proto}) {
				if ports[of] == nil {
					tables = append(tables, of)
				}
				if name := PortName(to); !slices.Contains(ports[of], name) {
					ports[of] = append(ports[of], name)
				}
			}
		}
	}
	for _, of := range tables {
		kind := nft.WhatIs(of)
		all = append(all, Obstacle{
			Kind:   DroppedElsewhere,
			where:  "nftables, " + of,
			Error:  fmt.Sprintf("%s %s of nftables drops what is sent on to containers or other hosts: %s", kind, of, firstFew(ports[of], 4)),
			Remedy: fmt.Sprintf("let it pass there too (\"nft list %[1]s %[2]s\" shows the rules), or take that %[1]s out (%[3]s)", kind, of, facts.TakeOutRemedy(of)),
		})
	}
	return all
}

// forPhones reports whether phones come to a published port.
func forPhones(cfg config.Config, p firewall.Published) bool {
	sip := slices.ContainsFunc(cfg.Firewall.SIP.Ports, func(r config.PortRange) bool { return r.Overlaps(p.Ports) })
	return sip && p.Proto != "sctp" || p.Proto != "tcp" && cfg.Firewall.RTP.Overlaps(p.Ports)
}
