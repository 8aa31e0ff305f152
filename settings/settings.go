package settings

import (
	"net/netip"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
)

// DropSettings are the configured rules without the base rules. at is where the
// drop stands: what "auto" means here and now. A set of bans that somebody else has made
// is left out: its members are not to be dropped.
func DropSettings(cfg config.Config, kernel *ipsetsync.Kernel, at firewall.Place) firewall.Settings {
	logTo := map[string]firewall.LogTarget{
		config.LogOff: firewall.LogOff, config.LogKernel: firewall.LogKernel, config.LogNetlink: firewall.LogNetlink,
	}
	var bans [2]string
	for _, f := range cidr.Families {
		if h, err := kernel.Header(cfg.BanSetName(int(f))); err != nil || ipsetsync.CheckBanSet(h, f) == nil {
			bans[f] = cfg.BanSetName(int(f))
		}
	}
	return firewall.Settings{
		Sets:         listSets(cfg, kernel),
		BanSets:      bans,
		IPv6Off:      cfg.Firewall.IPv6 == config.IPv6Off,
		DropAt:       at,
		DropOutbound: cfg.Firewall.DropOutbound,
		LogDrops:     logTo[cfg.Firewall.LogDrops],
	}
}

// listSets are the sets of blocked addresses, by family, without those that somebody else
// has made.
func listSets(cfg config.Config, kernel *ipsetsync.Kernel) (sets [2]string) {
	for _, f := range cidr.Families {
		if h, err := kernel.Kind(cfg.SetName(int(f))); err != nil || ipsetsync.IsOurs(h, f) {
			sets[f] = cfg.SetName(int(f))
		}
	}
	return sets
}

// DropPlace is where the drop is to stand. Where INPUT is to be avoided, "auto" means the
// raw table: see avoidInput.
func DropPlace(cfg config.Config, avoidInput bool) firewall.Place {
	switch {
	case LeavesRules(cfg):
		return firewall.Nowhere
	case cfg.Firewall.DropAt == config.DropPrerouting, cfg.Firewall.DropAt == config.DropAuto && avoidInput:
		return firewall.AtPrerouting
	}
	return firewall.AtInput
}

// BaseSettings are the configured base rules, or nil if there are to be none.
func BaseSettings(cfg config.Config, trunks []netip.Prefix) *firewall.Base {
	fw := cfg.Firewall
	if !fw.Base {
		return nil
	}
	b := &firewall.Base{
		LocalNetworks: fw.LocalNetworks, Trunks: trunks,
		SIPPublic: fw.SIP.Public, SIP: firewall.Ports(fw.SIP.Ports), RTP: fw.RTP,
	}
	for _, s := range fw.Services {
		b.Services = append(b.Services, firewall.Service{Name: s.Name, Proto: s.Proto, Ports: s.Ports, Public: s.From == config.FromAny})
	}
	return b
}

// BaseKey names the base rules as they are configured, whatever the names in
// trunks resolve to at the moment: it is what an admin confirms or lets lapse.
// Without base rules it is empty.
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
		Base   *firewall.Base
		Trunks []string
	}{base, trunks})
}

// WantsRules reports whether there are to be rules of a family: the kernel has it, and it
// is not left alone.
func WantsRules(cfg config.Config, f firewall.Family) bool {
	return f.Present() && (f == firewall.IPv4 || cfg.Firewall.IPv6 != config.IPv6Off)
}

// LeavesRules reports whether all rules are another program's: then voipbl keeps the sets
// and does not touch a rule.
func LeavesRules(cfg config.Config) bool { return cfg.Firewall.DropAt == config.DropNone }
