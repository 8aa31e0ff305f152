// Package config turns the text of voipbl.yaml into a valid Config, and a Config back into text.
//
// A command reads the file, Parse checks every value in it, and the other packages take the
// Config without checking again. Parse opens no file, resolves no name, asks the host nothing
// and logs nothing, so the same text gives the same result on every machine. What only the
// host knows (its own networks, whether a path exists) the caller has to check. Nearly all
// packages import this one; it imports only internal/portrange and internal/shownurl.
//
// The text goes through three stages, each in its own file: syntax (bytes to a syntax tree),
// decode (syntax tree to raw values, with the place of each), check (raw values to a Config).
package config

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/internal/shownurl"
)

// A Config is a complete and valid configuration. Only Parse and Default make one.
type Config struct {
	// Set is the kernel's name of the IPv4 set. SetName6 returns the name of the IPv6
	// set.
	Set string

	// BanSet is the kernel's name of the IPv4 set of this host's own bans. BanSetName returns
	// the name by family. It differs from Set.
	BanSet string

	// KnownSet is the kernel's name of the IPv4 set of registered phones. KnownSetName returns
	// the name by family. It differs from Set and BanSet.
	KnownSet string

	// StateDir holds files that must survive a boot (the last good copy of each feed), RunDir
	// files that must not (the lock). Both are absolute, clean and not "/".
	StateDir, RunDir string

	// Feeds are the sources of blocked addresses, at least one.
	Feeds []Feed

	// OnImpact is what becomes of a change of the lists that blocks somebody who talks with this
	// host: ImpactReport, ImpactHold or ImpactProtect.
	OnImpact string

	// Allow lists the hosts that are never blocked, whatever a feed says.
	Allow []Host

	Names Names

	Bans     Bans
	Limits   Limits
	Shape    Shape
	Firewall Firewall
	Metrics  Metrics
	Report   Report
	PBX      PBX
	Fleet    Fleet
}

// The values of Config.OnImpact.
const (
	ImpactReport  = "report"  // it is in force at once
	ImpactHold    = "hold"    // it waits until calls and TCP connections have ended
	ImpactProtect = "protect" // it is in force, but spares an address while its call goes on
)

// SetName6 returns the kernel's name of the IPv6 set.
func (c Config) SetName6() string { return c.Set + "6" }

// SetName returns the kernel's name of the set of blocked addresses of a family: 0 is IPv4, 1 IPv6.
func (c Config) SetName(family int) string { return twin(c.Set, family) }

// BanSetName returns the kernel's name of the set of bans of a family: 0 is IPv4, 1 IPv6.
func (c Config) BanSetName(family int) string { return twin(c.BanSet, family) }

// KnownSetName returns the kernel's name of the set of registered phones of a family: 0 is IPv4,
// 1 IPv6.
func (c Config) KnownSetName(family int) string { return twin(c.KnownSet, family) }

// KnowsPhones reports whether rules let registered phones in: base rules with SIP from everywhere,
// which limit everybody else.
func (c Config) KnowsPhones() bool {
	return c.PBX.TrustRegistered && c.Firewall.Base && c.Firewall.SIP.Public
}

func twin(name string, family int) string {
	if family == 0 {
		return name
	}
	return name + "6"
}

// Bans says what "voipbl ban" blocks.
type Bans struct {
	// IPv6Prefix is the length of the network that is banned when a program bans an IPv6
	// address, 1..128. An attacker usually has at least a /64, with 2^64 addresses in it.
	IPv6Prefix int
}

// Limits keeps a broken or hostile feed from doing harm.
type Limits struct {
	// Widest and Widest6 are the shortest prefix lengths a feed entry may have, 1..32 and
	// 1..128. A wider entry is rejected. Zero is not allowed, because a /0 blocks the whole
	// Internet.
	Widest, Widest6 int

	// MaxEntries is how many prefixes one feed may hold, 1000..100,000,000; a range counts as
	// the prefixes that cover it. It limits memory, in the program and in the kernel.
	// EntriesAuto stands for as many as the host's memory allows.
	MaxEntries int

	// MaxBytes is a feed's largest size after decompression, 1 KiB..1 GiB.
	MaxBytes int64

	// Timeout is how long one fetch may take in all, 1s..1h.
	Timeout time.Duration

	// KeepLost is how long the entries of a feed stay in force after its last good copy was
	// lost, if the feed cannot be fetched again, 1h..90d.
	KeepLost time.Duration
}

// EntriesAuto is the Limits.MaxEntries that depends on the host's memory.
const EntriesAuto = 0

// Names says how the addresses of DNS names are used.
type Names struct {
	// Keep is how long an address stays exempt after it has left its name's DNS answers,
	// 1h..90d.
	Keep time.Duration
}

// Firewall says which rules voipbl keeps in the kernel, and where.
type Firewall struct {
	// Backend is the iptables flavour: BackendAuto, BackendNFT or BackendLegacy.
	Backend string

	// DropAt is where packets from members of the set are dropped: DropAuto, DropInput,
	// DropPrerouting or DropNone. With DropNone, Base is false.
	DropAt string

	// IPv6 is whether there are rules of voipbl for IPv6: IPv6Auto or IPv6Off.
	IPv6 string

	// DropOutbound also drops packets that this host sends to members of the set.
	DropOutbound bool

	// LogDrops is where a rate-limited sample of the drops is logged: LogKernel, LogNetlink
	// or LogOff.
	LogDrops string

	// Base asks for the whole host firewall instead of the drop rules alone. The fields below
	// only count if it is true; LocalNetworks is not empty then.
	Base bool

	// BesideOthers allows base rules although another program (ufw, firewalld, FreePBX's
	// firewall) also has rules in INPUT.
	BesideOthers bool

	// LocalNetworks are the networks that "from: lan" means, and from which phones may
	// use SIP.
	LocalNetworks []netip.Prefix

	// Trunks are the SIP providers, which may send SIP from outside the LocalNetworks.
	Trunks []Host

	SIP SIP

	// RTP is the port range of the media streams, UDP from anywhere. It contains no SIP
	// port.
	RTP PortRange

	// Services are the other open ports, in the order of their rules. None of them is a SIP
	// port.
	Services []Service
}

// The values of Firewall.Backend, Firewall.DropAt and Firewall.IPv6.
const (
	BackendAuto   = "auto"   // what the system's iptables command uses
	BackendNFT    = "nft"    // iptables-nft
	BackendLegacy = "legacy" // iptables-legacy

	DropAuto       = "auto"       // DropPrerouting where INPUT is flushed or bypassed, or with base rules, otherwise DropInput
	DropInput      = "input"      // the first rule of INPUT
	DropPrerouting = "prerouting" // raw PREROUTING: forwarded and container ports too
	DropNone       = "none"       // no rules by voipbl: another program's rules use the sets

	IPv6Auto = "auto" // where the kernel has IPv6
	IPv6Off  = "off"  // never
)

// The values of Firewall.LogDrops.
const (
	LogOff     = "off"
	LogKernel  = "log"   // the kernel's log, by the target LOG
	LogNetlink = "nflog" // nfnetlink_log, by the target NFLOG, for ulogd
)

// SIP says who may reach the signalling ports.
type SIP struct {
	// Public opens the ports, with a rate limit, to every address that is not blocked.
	// Otherwise only Firewall.LocalNetworks and Firewall.Trunks reach them.
	Public bool

	// Ports are open for both UDP and TCP.
	Ports Ports
}

// A Service is a named set of open ports.
type Service struct {
	Name  string      // lower case; with Proto, unique
	Proto string      // ProtoTCP, ProtoUDP, or one of portless
	Ports []PortRange // without overlap; at least one, or none for a protocol in portless
	From  string      // FromLAN or FromAny
}

// The values of Service.Proto and Service.From.
const (
	ProtoTCP = "tcp"
	ProtoUDP = "udp"

	FromLAN = "lan" // Firewall.LocalNetworks only
	FromAny = "any" // every address that is not blocked
)

// portless lists the tunnel protocols, which have no ports: IPsec, GRE, and IPv4 and IPv6
// within IP.
var portless = []string{"esp", "gre", "ipip", "6in4"}

// Metrics says where the agent serves its Prometheus metrics.
type Metrics struct {
	// Listen is a loopback address and port; the zero AddrPort turns metrics off.
	Listen netip.AddrPort
}

// Report says whether and where addresses that attack this host are reported.
type Report struct {
	// Enabled allows this host to report.
	Enabled bool

	// URL is where VoIPBL takes reports, without a slash at its end and without a query.
	// Insecure allows plain http, where anyone on the way can read and change the reports.
	URL      string
	Insecure bool

	// Serial tells VoIPBL which host reports. It is a secret, and may be empty.
	Serial string

	// PerHour is the most requests in any hour, 1..600.
	PerHour int
}

// Redacted returns the configuration without its secrets, to be shown to people.
func (c Config) Redacted() Config {
	if c.Report.Serial != "" {
		c.Report.Serial = hidden
	}
	c.Feeds = slices.Clone(c.Feeds)
	for i, f := range c.Feeds {
		c.Feeds[i].URL = URL(f.URL.String())
		c.Feeds[i].Access = f.Access.redacted()
	}
	return c
}

// Redact hides the secrets of the configuration in a text, such as an error.
func (c Config) Redact(text string) string {
	var pairs []string
	if c.Report.Serial != "" {
		pairs = append(pairs, c.Report.Serial, hidden)
	}
	for _, f := range c.Feeds {
		if shown := f.URL.String(); shown != string(f.URL) {
			pairs = append(pairs, string(f.URL), shown)
		}
		for _, h := range f.Access.Headers {
			if value := secretOf(h); value != "" {
				pairs = append(pairs, value, hidden)
			}
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// hidden replaces a secret, as in net/url's Redacted.
const hidden = shownurl.Hidden

// Parse reads the text of a configuration file. Keys that are not written get the values of
// Default. The file's name is only used in errors.
//
// The error, if any, joins one *Error for each thing wrong, in the order of their places in
// the text, and counts those beyond the first 50. Broken YAML is reported alone, because
// nothing after it can be trusted.
func Parse(file string, text []byte) (Config, error) {
	r := newReader(file)
	root, ok := r.syntax(text)
	if !ok {
		return Config{}, r.err()
	}
	raw := r.decode(root)
	c := r.check(raw)
	if err := r.err(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// RunDir returns the run_dir of a configuration that Parse refuses, or the default if it
// cannot be found. The socket of an agent that still runs with an older configuration is
// there.
func RunDir(text []byte) string { return guess(text).RunDir }

// StateDir returns the state_dir of a configuration that Parse refuses, or the default
// if it cannot be found. The last good copies are there.
func StateDir(text []byte) string { return guess(text).StateDir }

func guess(text []byte) Config {
	for _, t := range [][]byte{text, folders(text)} {
		r := newReader("")
		if root, ok := r.syntax(t); ok {
			return r.check(r.decode(root))
		}
	}
	return Default()
}

// folders returns the lines with state_dir and run_dir of a text that is not valid
// YAML.
func folders(text []byte) (lines []byte) {
	for line := range bytes.Lines(text) {
		if bytes.HasPrefix(line, []byte("state_dir:")) || bytes.HasPrefix(line, []byte("run_dir:")) {
			lines = append(lines, line...)
		}
	}
	return lines
}
