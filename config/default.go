package config

import (
	"net/netip"
	"time"
)

const (
	// defaultURLSchedule is how often voipbl.org renews its list: every four hours.
	defaultURLSchedule = "0 */4 * * *"

	// defaultPathSchedule is short because reading a local file costs nothing and an admin who
	// has just edited it waits for the effect.
	defaultPathSchedule = "@every 5m"

	// defaultMinEntries refuses an empty list of a feed that has no minimum of its own.
	defaultMinEntries = 1

	// defaultMaxCoverage is 5 % of IPv4 space. The VoIPBL list covers 0.002 %. A list beyond
	// 5 % is broken, or lists unused space (such as firehol_level1 with 14 %); an admin who
	// wants such a list can raise the limit.
	defaultMaxCoverage = 0.05

	// defaultFrozenAfter is a day and a half of fetches every four hours. The VoIPBL list has
	// always changed within that time.
	defaultFrozenAfter = 10
)

// Default returns the configuration that an empty file gives.
func Default() Config {
	return Config{
		Set:      "voip_bl",
		BanSet:   "voip_ban",
		KnownSet: "voip_known",
		StateDir: "/var/lib/voipbl",
		RunDir:   "/run/voipbl",
		Feeds: []Feed{{
			Name:        "voipbl",
			URL:         "https://voipbl.org/update/",
			Schedule:    mustSchedule(defaultURLSchedule),
			MinEntries:  1000, // the list has about 100,000 lines; below 1,000 it is a fragment
			MaxCoverage: defaultMaxCoverage,
			FrozenAfter: defaultFrozenAfter,
		}, {
			Name:        "local",
			Path:        "/etc/voipbl/blocklist.d",
			Optional:    true,
			Schedule:    mustSchedule(defaultPathSchedule),
			MaxCoverage: 1,
		}},
		OnImpact: ImpactProtect,
		Names:    Names{Keep: 7 * day},
		Bans:     Bans{IPv6Prefix: 64}, // the least that a provider gives to one customer (RFC 6177)
		Limits: Limits{
			Widest:     8,  // the widest blocks ever assigned to one holder
			Widest6:    19, // a whole national provider, such as 2003::/19
			MaxEntries: EntriesAuto,
			MaxBytes:   64 << 20, // the VoIPBL list has 1.7 MB
			Timeout:    time.Minute,
			KeepLost:   7 * day, // covers a weekend and a holiday
		},
		Shape: Shape{ExtraEntries: ExtraAuto},
		Firewall: Firewall{
			Backend:  BackendAuto,
			DropAt:   DropAuto,
			IPv6:     IPv6Auto,
			LogDrops: LogOff,
			SIP:      SIP{Public: true, Ports: Ports{{First: 5060, Last: 5061}}},
			RTP:      PortRange{First: 10000, Last: 20000}, // Asterisk's rtp.conf
			Services: defaultServices(),
		},
		Metrics: Metrics{Listen: netip.MustParseAddrPort("127.0.0.1:9617")},
		Report: Report{
			URL:     "https://voipbl.org", // their own fail2ban action asks www.voipbl.org by http
			PerHour: 60,                   // one a minute; under a usual attack a host bans a few an hour
		},
		PBX: PBX{TrustRegistered: true, BanAttackers: true},
		Fleet: Fleet{
			Creds:   "/etc/voipbl/fleet.creds",
			Publish: true,
			Accept:  true,
			Lists:   true,
			Agree:   2, // so that no single host's word counts unless it is trusted
			Longest: 24 * time.Hour,
			PerHost: 500,
			Most:    20_000,
		},
	}
}

// defaultServices returns the open ports of a usual PBX host, apart from SIP and RTP, in the order
// of their rules.
func defaultServices() []Service {
	tcp := func(name, from string, ports ...uint16) Service {
		return Service{Name: name, Proto: ProtoTCP, Ports: single(ports), From: from}
	}
	udp := func(name, from string, ports ...uint16) Service {
		return Service{Name: name, Proto: ProtoUDP, Ports: single(ports), From: from}
	}
	return []Service{
		udp("mgcp", FromAny, 2727),
		udp("iax2", FromAny, 4569),
		tcp("samba", FromLAN, 137, 138, 139, 445),
		tcp("webmin", FromLAN, 10000),
		tcp("ssh", FromLAN, 22),
		tcp("ntp", FromLAN, 123),
		udp("ntp", FromLAN, 123),
		tcp("asterisk-api", FromLAN, 5038),
		tcp("isymphony", FromLAN, 58080, 55050),
		tcp("http", FromAny, 80),
		tcp("https", FromAny, 443),
		tcp("syslog", FromLAN, 514),
		udp("syslog", FromLAN, 514),
	}
}

// single returns a range for each port.
func single(ports []uint16) []PortRange {
	ranges := make([]PortRange, 0, len(ports))
	for _, p := range ports {
		ranges = append(ranges, PortRange{First: p, Last: p})
	}
	return ranges
}
