package config

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDefaultRoundTrip(t *testing.T) {
	text := Default().YAML()
	if d := diff(Default(), mustParse(t, string(text))); d != "" {
		t.Errorf("(-default +read back):\n%s\n%s", d, text)
	}
	if strings.Count(string(text), "\n") < 80 {
		t.Errorf("not every key is written:\n%s", text)
	}
}

// TestRoundTrip: for any valid Config, Parse reads what YAML writes back to the same Config.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := configs().Draw(t, "config")
		text := c.YAML()
		back, err := Parse("back", text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if d := diff(c, back); d != "" {
			t.Fatalf("(-config +read back):\n%s\n%s", d, text)
		}
	})
}

func configs() *rapid.Generator[Config] {
	return rapid.Custom(func(t *rapid.T) Config {
		c := Config{
			Set:      rapid.StringMatching(`[A-Za-z0-9_.][A-Za-z0-9_.-]{0,23}`).Draw(t, "set"),
			BanSet:   "bans." + rapid.StringMatching(`[A-Za-z0-9_.-]{0,25}`).Draw(t, "ban_set"),
			KnownSet: "phones." + rapid.StringMatching(`[A-Za-z0-9_.-]{0,23}`).Draw(t, "known_set"),
			PBX: PBX{
				TrustRegistered: rapid.Bool().Draw(t, "trust_registered"), BanAttackers: rapid.Bool().Draw(t, "ban_attackers"),
				HEP:   rapid.SampledFrom([]netip.AddrPort{{}, netip.MustParseAddrPort("127.0.0.1:460")}).Draw(t, "hep"),
				AMI:   rapid.SampledFrom([]netip.AddrPort{{}, netip.MustParseAddrPort("[::1]:5038")}).Draw(t, "ami"),
				Traps: Traps{Agents: rapid.SampledFrom([][]string{nil, {"abcd", "e: \"f\" #"}}).Draw(t, "agents")},
			},
			Bans:     Bans{IPv6Prefix: rapid.IntRange(1, 128).Draw(t, "ipv6_prefix")},
			StateDir: paths().Draw(t, "state"),
			RunDir:   paths().Draw(t, "run"),
			Feeds:    rapid.SliceOfNDistinct(feeds(), 1, 5, func(f Feed) string { return f.Name }).Draw(t, "feeds"),
			OnImpact: rapid.SampledFrom([]string{ImpactReport, ImpactHold, ImpactProtect}).Draw(t, "on_impact"),
			Allow:    listOf(t, "allow", hosts()),
			Names:    Names{Keep: time.Duration(rapid.Int64Range(int64(minKeep), int64(maxKeep)).Draw(t, "keep"))},
			Limits: Limits{
				Widest:     rapid.IntRange(1, 32).Draw(t, "widest"),
				Widest6:    rapid.IntRange(1, 128).Draw(t, "widest6"),
				MaxEntries: rapid.OneOf(rapid.Just(EntriesAuto), rapid.IntRange(1_000, 100_000_000)).Draw(t, "entries"),
				MaxBytes:   rapid.Int64Range(minBytes, maxBytes).Draw(t, "bytes"),
				Timeout:    time.Duration(rapid.Int64Range(int64(minTimeout), int64(maxTimeout)).Draw(t, "timeout")),
				KeepLost:   time.Duration(rapid.Int64Range(int64(minKeep), int64(maxKeep)).Draw(t, "keep lost")),
			},
			Shape: Shape{ExtraEntries: rapid.OneOf(rapid.Just(ExtraAuto), rapid.IntRange(0, maxExtra)).Draw(t, "extra")},
			Firewall: Firewall{
				Backend:       rapid.SampledFrom([]string{BackendAuto, BackendNFT, BackendLegacy}).Draw(t, "backend"),
				DropAt:        rapid.SampledFrom([]string{DropAuto, DropInput, DropPrerouting, DropNone}).Draw(t, "drop"),
				IPv6:          rapid.SampledFrom([]string{IPv6Auto, IPv6Off}).Draw(t, "ipv6"),
				DropOutbound:  rapid.Bool().Draw(t, "outbound"),
				LogDrops:      rapid.SampledFrom([]string{LogOff, LogKernel, LogNetlink}).Draw(t, "log"),
				BesideOthers:  rapid.Bool().Draw(t, "beside"),
				LocalNetworks: listOf(t, "networks", prefixes()),
				Trunks:        listOf(t, "trunks", hosts()),
				SIP:           SIP{Public: rapid.Bool().Draw(t, "public"), Ports: NewPorts(rapid.SliceOfN(ranges(50_000, 65535), 1, 7).Draw(t, "sip")...)}, // not ports of services
				RTP:           ranges(1, 49_999).Draw(t, "rtp"),
			},
		}
		c.Report = Report{
			Enabled:  rapid.Bool().Draw(t, "report"),
			URL:      rapid.SampledFrom([]string{"https://voipbl.org", "https://[2001:db8::1]:8443/a/b", "https://192.0.2.1"}).Draw(t, "report url"),
			Insecure: rapid.Bool().Draw(t, "report insecure"),
			Serial:   rapid.StringMatching(`[!-~]{0,20}`).Draw(t, "serial"),
			PerHour:  rapid.IntRange(1, maxPerHour).Draw(t, "per hour"),
		}
		c.Fleet = Fleet{
			Hubs:    rapid.SampledFrom([][]string{nil, {"tls://a.example"}, {"nats://[::1]:4222", "tls://192.0.2.1:4222"}}).Draw(t, "hubs"),
			Creds:   paths().Draw(t, "creds"),
			Key:     rapid.SampledFrom([]DocumentKey{{}, {31: 1}, {255, 7}}).Draw(t, "key"),
			Publish: rapid.Bool().Draw(t, "publish"), Accept: rapid.Bool().Draw(t, "accept"), Proved: rapid.Bool().Draw(t, "proved"),
			Trust:   rapid.SampledFrom([][]string{nil, {"no"}, {"1e5", "a-b_c"}}).Draw(t, "trust"),
			Agree:   rapid.IntRange(1, maxAgree).Draw(t, "agree"),
			Longest: time.Duration(rapid.Int64Range(int64(minLongest), int64(maxLongest)).Draw(t, "longest")),
			PerHost: rapid.IntRange(1, maxPerHost).Draw(t, "per host of the fleet"),
			Most:    rapid.IntRange(1, maxFleetBans).Draw(t, "most"),
		}
		c.Firewall.Base = c.Firewall.DropAt != DropNone && len(c.Firewall.LocalNetworks) > 0 && rapid.Bool().Draw(t, "base")
		id := func(s Service) string { return s.Name + " " + s.Proto }
		if s := rapid.SliceOfNDistinct(services(), 0, 5, id).Draw(t, "services"); len(s) > 0 {
			c.Firewall.Services = s
		}
		if rapid.Bool().Draw(t, "metrics") {
			addr := netip.AddrFrom4([4]byte{127, 0, 0, rapid.Byte().Draw(t, "loopback")})
			if rapid.Bool().Draw(t, "ipv6") {
				addr = netip.IPv6Loopback()
			}
			c.Metrics.Listen = netip.AddrPortFrom(addr, rapid.Uint16Range(1, 65535).Draw(t, "port"))
		}
		return c
	})
}

// listOf draws a list that is nil when empty, as Parse makes it.
func listOf[T any](t *rapid.T, label string, elements *rapid.Generator[T]) []T {
	if list := rapid.SliceOfN(elements, 0, 5).Draw(t, label); len(list) > 0 {
		return list
	}
	return nil
}

func names() *rapid.Generator[string] { return rapid.StringMatching(`[a-z0-9][a-z0-9._-]{0,63}`) }

// paths draws paths with any printable character, also those with a meaning in YAML.
func paths() *rapid.Generator[string] {
	return rapid.StringMatching(`(/[a-z #:'"%&*!|>{}\[\],?é~@=-]{1,8}){1,3}`).Filter(func(s string) bool {
		_, f := parseGlob(s)
		return f == nil
	})
}

func feeds() *rapid.Generator[Feed] {
	return rapid.Custom(func(t *rapid.T) Feed {
		f := Feed{Name: names().Draw(t, "name")}
		f.Schedule = mustSchedule(rapid.SampledFrom([]string{"0 */4 * * *", "@every 90s", "@hourly", "*/5 1,2 * jan mon-fri"}).Draw(t, "schedule"))
		f.Form = forms().Draw(t, "form")
		if rapid.Bool().Draw(t, "local") {
			f.Path = paths().Draw(t, "path")
			f.Optional = rapid.Bool().Draw(t, "optional")
			f.MaxCoverage = 1
			return f
		}
		f.Insecure = rapid.Bool().Draw(t, "insecure")
		f.URL = URL("https://" + names().Draw(t, "host") + "x/" + rapid.StringMatching(`[a-z0-9]{0,5}(\?[a-z\[\]&=,:'!*]{0,9})?`).Draw(t, "rest"))
		if _, fault := parseURL(string(f.URL), false); fault != nil {
			f.URL = "https://example.net/?wn[]=a&bc=US,CA"
		}
		f.Access = accesses().Draw(t, "access")
		if f.Form.Format == FormatJSON && rapid.Bool().Draw(t, "pages") {
			f.Next, f.URL = "meta.next", "https://example.net/{next:0}"
		}
		f.MinEntries = rapid.IntRange(0, maxMinEntries).Draw(t, "min")
		f.MaxCoverage = float64(rapid.IntRange(1, 1e6).Draw(t, "coverage")) / 1e6
		f.FrozenAfter = rapid.IntRange(0, maxFrozenAfter).Draw(t, "frozen")
		f.Splay = rapid.OneOf(rapid.Just(SplayAuto), rapid.Just(SplayNone), rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.Int64Range(1, int64(maxSplay)).Draw(t, "splay"))
		})).Draw(t, "auto")
		return f
	})
}

func forms() *rapid.Generator[Form] {
	return rapid.Custom(func(t *rapid.T) Form {
		switch f := (Form{Format: rapid.SampledFrom([]string{"", FormatLines, FormatJSON, FormatCSV}).Draw(t, "format")}); f.Format {
		case FormatJSON:
			f.Fields = rapid.SampledFrom([][]string{{"ip"}, {"data[].ip", "[][].a-b"}, {"a.b[]"}}).Draw(t, "fields")
			return f
		case FormatCSV:
			f.Column = rapid.SampledFrom([]string{"ip", "2", "an address: #1"}).Draw(t, "column")
			f.Separator = rapid.SampledFrom([]byte(",;|\t")).Draw(t, "separator")
			return f
		default:
			return f
		}
	})
}

func accesses() *rapid.Generator[Access] {
	return rapid.Custom(func(t *rapid.T) (a Access) {
		if rapid.Bool().Draw(t, "headers") {
			a.Headers = []string{"X-Key: " + rapid.StringMatching(`[!-~]{1,9}`).Draw(t, "value"), "Accept: a/b"}
		}
		if rapid.Bool().Draw(t, "user") {
			a.User, a.SecretFile = rapid.StringMatching(`[a-z #'"é]{0,5}[a-z]`).Draw(t, "name"), "/etc/a secret"
		}
		return a
	})
}

func prefixes() *rapid.Generator[netip.Prefix] {
	return rapid.Custom(func(t *rapid.T) netip.Prefix {
		if rapid.Bool().Draw(t, "ipv4") {
			b := rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "bytes")
			return netip.PrefixFrom(netip.AddrFrom4([4]byte(b)), rapid.IntRange(minBits, 32).Draw(t, "bits")).Masked()
		}
		b := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes")
		b[0] = 0x20 // no mapped address: those become IPv4
		return netip.PrefixFrom(netip.AddrFrom16([16]byte(b)), rapid.IntRange(minBits6, 128).Draw(t, "bits")).Masked()
	})
}

func hosts() *rapid.Generator[Host] {
	return rapid.Custom(func(t *rapid.T) Host {
		if rapid.Bool().Draw(t, "named") {
			return Host{Name: rapid.StringMatching(`([a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?\.){0,3}[a-z][a-z0-9]{0,5}\.?`).Draw(t, "name")}
		}
		return Host{Prefix: prefixes().Draw(t, "prefix")}
	})
}

func ranges(first, last uint16) *rapid.Generator[PortRange] {
	return rapid.Custom(func(t *rapid.T) PortRange {
		a := rapid.Uint16Range(first, last).Draw(t, "first")
		return PortRange{First: a, Last: rapid.Uint16Range(a, last).Draw(t, "last")}
	})
}

func services() *rapid.Generator[Service] {
	return rapid.Custom(func(t *rapid.T) Service {
		s := Service{
			Name:  names().Draw(t, "name"),
			Proto: rapid.SampledFrom([]string{ProtoTCP, ProtoUDP}).Draw(t, "proto"),
			From:  rapid.SampledFrom([]string{FromLAN, FromAny}).Draw(t, "from"),
		}
		for i := range uint16(rapid.IntRange(1, maxPorts/2).Draw(t, "ranges")) {
			s.Ports = append(s.Ports, ranges(1+i*1000, 1000+i*1000).Draw(t, "ports"))
		}
		return s
	})
}
