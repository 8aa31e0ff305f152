package agent

import (
	"context"
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/config"
)

// takeFriends exempts the hosts that a configuration adds to allow and trunks, even if it is
// refused for another reason, such as a friend that it removes. So a friend whose address
// changes is not cut off, neither by the old address nor by the new one.
func (d *daemon) takeFriends(ctx context.Context, cfg config.Config, refused error) {
	if refused == nil {
		return
	}
	if more := withFriends(d.cfg, cfg); !more.Equal(d.cfg) {
		d.log.Info("addresses that the refused configuration exempts are exempt too")
		d.adopt(ctx, more)
	}
}

// withFriends returns a configuration that also exempts what another one exempts.
func withFriends(cfg, other config.Config) config.Config {
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

func moreHosts(hosts, others []config.Host) []config.Host {
	all := slices.Clone(hosts)
	for _, h := range others {
		if !slices.Contains(all, h) {
			all = append(all, h)
		}
	}
	return all
}
