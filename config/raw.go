package config

import "net/netip"

// rawConfig and the other raw types have the shape of the file. A nil pointer or slice is a
// key that is not written; an empty list in the text is an empty slice that is not nil. A nil
// element had a wrong type, which is reported. Values with a syntax of their own (addresses,
// ports, sizes) are still text. The example is used in errors; for a list it is the example
// of an element.

type rawConfig struct {
	Set      *string     `yaml:"set" example:"voip_bl"`
	BanSet   *string     `yaml:"ban_set" example:"voip_ban"`
	KnownSet *string     `yaml:"known_set" example:"voip_known"`
	StateDir *string     `yaml:"state_dir" example:"/var/lib/voipbl"`
	RunDir   *string     `yaml:"run_dir" example:"/run/voipbl"`
	Feeds    []*rawFeed  `yaml:"feeds" example:"name: local, path: /etc/voipbl/blocklist.d"`
	OnImpact *string     `yaml:"on_impact" example:"protect"`
	Allow    []*string   `yaml:"allow" example:"203.0.113.10"`
	Names    rawNames    `yaml:"names" example:"keep: 7d"`
	Bans     rawBans     `yaml:"bans" example:"ipv6_prefix: 64"`
	Limits   rawLimits   `yaml:"limits" example:"timeout: 60s"`
	Shape    rawShape    `yaml:"shape" example:"extra_entries: auto"`
	Firewall rawFirewall `yaml:"firewall" example:"base: false"`
	Metrics  rawMetrics  `yaml:"metrics" example:"listen: \"127.0.0.1:9617\""`
	Report   rawReport   `yaml:"report" example:"enabled: false"`
	PBX      rawPBX      `yaml:"pbx" example:"trust_registered: true"`
	Fleet    rawFleet    `yaml:"fleet" example:"agree: 2"`
}

type rawFeed struct {
	Name        *string `yaml:"name" example:"my-list"`
	URL         *string `yaml:"url" example:"https://voipbl.org/update/"`
	Path        *string `yaml:"path" example:"/etc/voipbl/blocklist.d"`
	Optional    *bool   `yaml:"optional"`
	Schedule    *string `yaml:"schedule" example:"0 */4 * * *"`
	Splay       *string `yaml:"splay" example:"auto"`
	Insecure    *bool   `yaml:"insecure"`
	MinEntries  *int    `yaml:"min_entries" example:"1000"`
	MaxCoverage *string `yaml:"max_coverage" example:"5%"`
	FrozenAfter *int    `yaml:"frozen_after" example:"10"`

	Format    *string `yaml:"format" example:"auto"`
	Field     *string `yaml:"field" example:"data[].ip"`
	Column    *string `yaml:"column" example:"ip"`
	Separator *string `yaml:"separator" example:"comma"`
	Next      *string `yaml:"next" example:"meta.next"`

	Headers    []*string `yaml:"headers" example:"X-Api-Key: {secret}"`
	User       *string   `yaml:"user" example:"acme"`
	SecretFile *string   `yaml:"secret_file" example:"/etc/voipbl/my-list.secret"`
}

type rawBans struct {
	IPv6Prefix *int `yaml:"ipv6_prefix" example:"64"`
}

type rawLimits struct {
	Widest     *int    `yaml:"widest" example:"8"`
	Widest6    *int    `yaml:"widest6" example:"19"`
	MaxEntries *string `yaml:"max_entries" example:"auto"`
	MaxBytes   *string `yaml:"max_bytes" example:"64MiB"`
	Timeout    *string `yaml:"timeout" example:"60s"`
	KeepLost   *string `yaml:"keep_lost" example:"7d"`
}

type rawShape struct {
	ExtraEntries *string `yaml:"extra_entries" example:"auto"`
}

type rawNames struct {
	Keep *string `yaml:"keep" example:"7d"`
}

type rawFirewall struct {
	Backend       *string       `yaml:"backend" example:"auto"`
	DropAt        *string       `yaml:"drop_at" example:"auto"`
	IPv6          *string       `yaml:"ipv6" example:"auto"`
	DropOutbound  *bool         `yaml:"drop_outbound"`
	LogDrops      *string       `yaml:"log_drops" example:"log"`
	Base          *bool         `yaml:"base"`
	BesideOthers  *bool         `yaml:"beside_others"`
	LocalNetworks []*string     `yaml:"local_networks" example:"192.168.1.0/24"`
	Trunks        []*string     `yaml:"trunks" example:"203.0.113.10"`
	SIP           rawSIP        `yaml:"sip" example:"public: true"`
	RTP           *string       `yaml:"rtp" example:"10000:20000"`
	Services      []*rawService `yaml:"services" example:"name: ssh, proto: tcp, ports: 22"`
}

// portsText is text such as "80,443". The file may also have the list [80, 443].
type portsText string

type rawSIP struct {
	Public *bool      `yaml:"public"`
	Ports  *portsText `yaml:"ports" example:"5060:5061"`
}

type rawService struct {
	Name  *string    `yaml:"name" example:"ssh"`
	Proto *string    `yaml:"proto" example:"tcp"`
	Ports *portsText `yaml:"ports" example:"80,443"`
	From  *string    `yaml:"from" example:"lan"`
}

type rawMetrics struct {
	Listen *string `yaml:"listen" example:"127.0.0.1:9617"`
}

type rawReport struct {
	Enabled  *bool   `yaml:"enabled"`
	URL      *string `yaml:"url" example:"https://voipbl.org"`
	Insecure *bool   `yaml:"insecure"`
	Serial   *string `yaml:"serial" example:"the one that VoIPBL gave you"`
	PerHour  *int    `yaml:"per_hour" example:"60"`
}

type rawPBX struct {
	HEP             *string  `yaml:"hep" example:"127.0.0.1:460"`
	AMI             *string  `yaml:"ami" example:"127.0.0.1:5038"`
	TrustRegistered *bool    `yaml:"trust_registered"`
	BanAttackers    *bool    `yaml:"ban_attackers"`
	Traps           rawTraps `yaml:"traps" example:"accounts: [\"1000\"]"`
}

type rawTraps struct {
	Extensions []*string `yaml:"extensions" example:"9999"`
	Accounts   []*string `yaml:"accounts" example:"1000"`
	Agents     []*string `yaml:"agents" example:"friendly-scanner"`
}

type rawFleet struct {
	Hub     []*string `yaml:"hub" example:"tls://hub.example.net:4222"`
	Creds   *string   `yaml:"creds" example:"/etc/voipbl/fleet.creds"`
	Key     *string   `yaml:"key" example:"voipbl-doc:1kR9qZ3v0mYpT2sX5cB8nD4fG7hJ6kL0wQeRtYuIoPA="`
	Publish *bool     `yaml:"publish"`
	Accept  *bool     `yaml:"accept"`
	Lists   *bool     `yaml:"lists"`
	Trust   []*string `yaml:"trust" example:"acme"`
	Agree   *int      `yaml:"agree" example:"2"`
	Proved  *bool     `yaml:"proved"`
	Longest *string   `yaml:"longest" example:"24h"`
	PerHost *int      `yaml:"per_host" example:"500"`
	Most    *int      `yaml:"most" example:"20000"`
}

func (c Config) raw() rawConfig {
	listen := ""
	if c.Metrics.Listen.IsValid() {
		listen = c.Metrics.Listen.String()
	}
	f := c.Firewall
	return rawConfig{
		Set:      &c.Set,
		BanSet:   &c.BanSet,
		KnownSet: &c.KnownSet,
		StateDir: &c.StateDir,
		RunDir:   &c.RunDir,
		Feeds:    each(c.Feeds, Feed.raw),
		OnImpact: &c.OnImpact,
		Allow:    each(c.Allow, hostText),
		Names:    rawNames{Keep: new(formatDays(c.Names.Keep))},
		Bans:     rawBans{IPv6Prefix: &c.Bans.IPv6Prefix},
		Limits: rawLimits{
			Widest:     &c.Limits.Widest,
			Widest6:    &c.Limits.Widest6,
			MaxEntries: new(formatEntries(c.Limits.MaxEntries)),
			MaxBytes:   new(formatSize(c.Limits.MaxBytes)),
			Timeout:    new(formatDuration(c.Limits.Timeout)),
			KeepLost:   new(formatDays(c.Limits.KeepLost)),
		},
		Shape: rawShape{ExtraEntries: new(formatExtra(c.Shape.ExtraEntries))},
		Firewall: rawFirewall{
			Backend:       &f.Backend,
			DropAt:        &f.DropAt,
			IPv6:          &f.IPv6,
			DropOutbound:  &f.DropOutbound,
			LogDrops:      &f.LogDrops,
			Base:          &f.Base,
			BesideOthers:  &f.BesideOthers,
			LocalNetworks: each(f.LocalNetworks, func(p netip.Prefix) *string { return new(p.String()) }),
			Trunks:        each(f.Trunks, hostText),
			SIP:           rawSIP{Public: &f.SIP.Public, Ports: new(portsText(f.SIP.Ports.String()))},
			RTP:           new(f.RTP.String()),
			Services:      each(f.Services, Service.raw),
		},
		Metrics: rawMetrics{Listen: &listen},
		Report: rawReport{
			Enabled:  &c.Report.Enabled,
			URL:      &c.Report.URL,
			Insecure: &c.Report.Insecure,
			Serial:   &c.Report.Serial,
			PerHour:  &c.Report.PerHour,
		},
		PBX:   c.PBX.raw(),
		Fleet: c.Fleet.raw(),
	}
}

// raw returns the keys of the feed's kind only: Parse refuses the others.
func (f Feed) raw() *rawFeed {
	raw := &rawFeed{Name: &f.Name, Schedule: new(f.Schedule.String())}
	f.Form.raw(raw)
	if f.Path != "" {
		raw.Path = &f.Path
		raw.Optional = &f.Optional
		return raw
	}
	raw.URL = (*string)(&f.URL)
	raw.Splay = new(formatSplay(f.Splay))
	raw.Insecure = &f.Insecure
	raw.MinEntries = &f.MinEntries
	raw.MaxCoverage = new(formatPercent(f.MaxCoverage))
	raw.FrozenAfter = &f.FrozenAfter
	f.Access.raw(raw)
	if f.Next != "" {
		raw.Next = &f.Next
	}
	return raw
}

func (s Service) raw() *rawService {
	raw := &rawService{Name: &s.Name, Proto: &s.Proto, From: &s.From}
	if len(s.Ports) > 0 {
		raw.Ports = new(portsText(formatPorts(s.Ports)))
	}
	return raw
}

func hostText(h Host) *string { return new(h.String()) }

// each applies f to each element. The result is never nil, so that an empty list is written
// as one.
func each[T, R any](list []T, f func(T) R) []R {
	out := make([]R, 0, len(list))
	for _, v := range list {
		out = append(out, f(v))
	}
	return out
}
