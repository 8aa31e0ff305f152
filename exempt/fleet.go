package exempt

import (
	"slices"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fleet/docfile"
)

// Why hosts are exempt that the document of the fleet's operator names.
const (
	FleetAllowReason = "allow of the fleet"
	FleetTrunkReason = "trunk of the fleet"
)

// WrittenHosts are hosts that somebody has written down, with the reason why they are exempt.
type WrittenHosts struct {
	Reason string
	Hosts  []config.Host
}

// written returns the hosts that the configuration allows, and those that the operator's document
// allows beside them.
func written(cfg config.Config) []WrittenHosts {
	return append([]WrittenHosts{{"allow", cfg.Allow}, {"trunks", cfg.Firewall.Trunks}}, OfFleet(cfg)...)
}

// OfFleet returns the hosts that the operator's document allows.
func OfFleet(cfg config.Config) []WrittenHosts {
	d := docfile.Read(cfg)
	return []WrittenHosts{{FleetAllowReason, d.Allow}, {FleetTrunkReason, d.Trunks}}
}

// TrunkHosts returns the trunks of the configuration, and those of the operator's document.
func TrunkHosts(cfg config.Config) []config.Host {
	return slices.Concat(cfg.Firewall.Trunks, docfile.Read(cfg).Trunks)
}
