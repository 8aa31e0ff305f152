package config

import (
	"net/netip"
	"slices"
)

// WithFriends returns a configuration that also exempts what allow, trunks and local_networks of
// another one exempt.
func (cfg Config) WithFriends(other Config) Config {
	cfg.Allow = moreHosts(cfg.Allow, other.Allow)
	cfg.Firewall.Trunks = moreHosts(cfg.Firewall.Trunks, other.Firewall.Trunks)
	networks := slices.Clone(cfg.Firewall.LocalNetworks)
	for _, p := range other.Firewall.LocalNetworks {
		if !slices.ContainsFunc(networks, func(q netip.Prefix) bool { return q == p }) {
			networks = append(networks, p)
		}
	}
	cfg.Firewall.LocalNetworks = networks
	return cfg
}

func moreHosts(hosts, others []Host) []Host {
	all := slices.Clone(hosts)
	for _, h := range others {
		if !slices.Contains(all, h) {
			all = append(all, h)
		}
	}
	return all
}
