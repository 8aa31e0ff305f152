package settings

import (
	"net/netip"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

// DropSettings returns the settings of the configured drop rules, without base rules. at
// is where the drop rules are to be; "auto" is decided already. Sets that another
// program has made are left out, because their members must be neither dropped nor let in.
func DropSettings(cfg config.Config, kernel *ipsetsync.Kernel, at ruleset.Place) ruleset.Settings {
	logTo := map[string]ruleset.LogTarget{
		config.LogOff: ruleset.LogOff, config.LogKernel: ruleset.LogKernel, config.LogNetlink: ruleset.LogNetlink,
	}
	var bans, known [2]string
	for _, f := range cidr.Families {
		if h, err := kernel.Header(cfg.BanSetName(int(f))); err != nil || ipsetsync.CheckBanSet(h, f) == nil {
			bans[f] = cfg.BanSetName(int(f))
		}
		if !cfg.KnowsPhones() {
			continue
		}
		if h, err := kernel.Header(cfg.KnownSetName(int(f))); err != nil || ipsetsync.CheckKnownSet(h, f) == nil {
			known[f] = cfg.KnownSetName(int(f))
		}
	}
	return ruleset.Settings{
		Sets:         listSets(cfg, kernel),
		BanSets:      bans,
		KnownSets:    known,
		IPv6Off:      cfg.Firewall.IPv6 == config.IPv6Off,
		DropAt:       at,
		DropOutbound: cfg.Firewall.DropOutbound,
		LogDrops:     logTo[cfg.Firewall.LogDrops],
	}
}

// listSets returns the names of the sets of lists, by family, without sets that another
// program has made.
func listSets(cfg config.Config, kernel *ipsetsync.Kernel) (sets [2]string) {
	for _, f := range cidr.Families {
		if h, err := kernel.Kind(cfg.SetName(int(f))); err != nil || ipsetsync.IsOurs(h, f) {
			sets[f] = cfg.SetName(int(f))
		}
	}
	return sets
}

// BaseSettings returns the configured base rules, or nil if there are none.
func BaseSettings(cfg config.Config, trunks []netip.Prefix) *ruleset.Base {
	fw := cfg.Firewall
	if !fw.Base {
		return nil
	}
	b := &ruleset.Base{
		LocalNetworks: fw.LocalNetworks, Trunks: trunks,
		SIPPublic: fw.SIP.Public, SIP: ruleset.Ports(fw.SIP.Ports), RTP: fw.RTP,
	}
	for _, s := range fw.Services {
		b.Services = append(b.Services, ruleset.Service{Name: s.Name, Proto: s.Proto, Ports: s.Ports, Public: s.From == config.FromAny})
	}
	return b
}

// BaseKey returns a digest of the configured base rules, which does not depend on the
// addresses that names in trunks have at the moment. It identifies what an admin
// confirms or lets lapse. Without base rules it is empty.
func BaseKey(cfg config.Config) string {
	base := BaseSettings(cfg, nil)
	if base == nil {
		return ""
	}
	trunks := []string{}
	for _, h := range cfg.Firewall.Trunks {
		trunks = append(trunks, h.String())
	}
	return problem.Digest(struct {
		Base   *ruleset.Base
		Trunks []string
	}{base, trunks})
}

// WantsRules reports whether there are to be rules of a family: the kernel has the
// family, and the configuration does not turn it off.
func WantsRules(cfg config.Config, f iptables.Family) bool {
	return firewall.Present(f) && (f == iptables.IPv4 || cfg.Firewall.IPv6 != config.IPv6Off)
}

// LeavesRules reports whether another program has all rules, so that voipbl only keeps
// the sets.
func LeavesRules(cfg config.Config) bool { return cfg.Firewall.DropAt == config.DropNone }
