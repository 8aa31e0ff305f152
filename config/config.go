// Package config turns the text of voipbl.yaml into a valid Config, and a Config back into text.
//
// It is the first station of the program: a command reads the file, Parse checks every value in
// it, and all that follows works with values that need no second look. Parse has no side effects.
// It opens no file, resolves no name, asks the host nothing and logs nothing, so the same text
// gives the same answer on every machine; what only the host can know (its own networks, whether
// a path exists) is the caller's business.
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

// A Config is a complete and valid configuration. Parse and Default are the only makers of one.
type Config struct {
	// Set is the kernel's name of the IPv4 set. SetName6 gives that of its IPv6 twin.
	Set string

	// BanSet is the kernel's name of the IPv4 set of this host's own bans. BanSetName gives it by
	// family. It is another one than Set.
	BanSet string

	// StateDir holds what must survive a boot (the last good copy of each feed), RunDir what must
	// not (the lock). Both are absolute and clean, and neither is "/".
	StateDir, RunDir string

	// Feeds are the sources of blocked addresses, at least one.
	Feeds []Feed

	// Allow is never blocked, whatever a feed says.
	Allow []Host

	Names Names

	Bans     Bans
	Limits   Limits
	Firewall Firewall
	Metrics  Metrics
	Report   Report
}

// SetName6 returns the kernel's name of the IPv6 set.
func (c Config) SetName6() string { return c.Set + "6" }

// SetName returns the kernel's name of the set of blocked addresses of a family: 0 is IPv4, 1 IPv6.
func (c Config) SetName(family int) string { return twin(c.Set, family) }

// BanSetName returns the kernel's name of the set of bans of a family: 0 is IPv4, 1 IPv6.
func (c Config) BanSetName(family int) string { return twin(c.BanSet, family) }

func twin(name string, family int) string {
	if family == 0 {
		return name
	}
	return name + "6"
}

// Bans say what "voipbl ban" blocks.
type Bans struct {
	// IPv6Prefix is the length of the network that is banned with an IPv6 address when a program
	// bans it, 1..128: an attacker has at least a /64 to himself, with 2^64 addresses in it.
	IPv6Prefix int
}

// Limits keep a broken or hostile feed from doing harm.
type Limits struct {
	// Widest and Widest6 are the shortest prefix lengths a feed entry may have, 1..32 and 1..128.
	// A wider entry is rejected. Zero is outside the range because a /0 blocks the whole Internet,
	// which no feed means.
	Widest, Widest6 int

	// MaxEntries bounds how many prefixes one feed may give, 1000..100,000,000; a range counts as
	// the prefixes that it takes. It bounds memory, here and in the kernel. EntriesAuto is as many
	// as the memory of the host allows.
	MaxEntries int

	// MaxBytes bounds a feed's size after decompression, 1 KiB..1 GiB.
	MaxBytes int64

	// Timeout bounds one fetch from its first to its last byte, 1s..1h.
	Timeout time.Duration

	// KeepLost is how long what a feed has brought stays in force after its last good copy was
	// lost, if it cannot be fetched meanwhile, 1h..90d.
	KeepLost time.Duration
}

// EntriesAuto is a Limits.MaxEntries that only the host can tell.
const EntriesAuto = 0

// Names say how DNS names stand for addresses.
type Names struct {
	// Keep is how long an address stays exempt after its name has answered without it, 1h..90d.
	Keep time.Duration
}

// Firewall says which rules voipbl keeps in the kernel, and where.
type Firewall struct {
	// Backend is the iptables flavour: BackendAuto, BackendNFT or BackendLegacy.
	Backend string

	// DropAt is where members of the set are dropped: DropAuto, DropInput, DropPrerouting or
	// DropNone. With DropNone Base is false.
	DropAt string

	// IPv6 is whether there are rules of voipbl for IPv6: IPv6Auto or IPv6Off.
	IPv6 string

	// DropOutbound drops also what this host sends to members of the set.
	DropOutbound bool

	// LogDrops tells a rate-limited sample of the drops to LogKernel or LogNetlink, or is LogOff.
	LogDrops string

	// Base asks for the whole host firewall instead of the drop alone. The keys below matter only
	// then, and LocalNetworks is not empty.
	Base bool

	// BesideOthers lets the base rules be installed although another program (ufw, firewalld,
	// FreePBX's firewall) owns INPUT too.
	BesideOthers bool

	// LocalNetworks are the intranets: what "from: lan" and SIP from phones refer to.
	LocalNetworks []netip.Prefix

	// Trunks are the SIP providers, which may send SIP from outside the LocalNetworks.
	Trunks []Host

	SIP SIP

	// RTP is the port range of the media streams, UDP from anywhere. It has no port of SIP.
	RTP PortRange

	// Services are the other open ports, in the order of their rules. None of them is a port of SIP.
	Services []Service
}

// The values of Firewall.Backend, Firewall.DropAt and Firewall.IPv6.
const (
	BackendAuto   = "auto"   // what the system's iptables command uses
	BackendNFT    = "nft"    // iptables-nft
	BackendLegacy = "legacy" // iptables-legacy

	DropAuto       = "auto"       // DropPrerouting where INPUT is flushed or gone past, else DropInput
	DropInput      = "input"      // the first rule of INPUT
	DropPrerouting = "prerouting" // raw PREROUTING: forwarded and container ports too
	DropNone       = "none"       // no rules of voipbl: another program has rules that use the sets

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
	// Public opens the ports, rate limited, to everyone who is not blocked. Otherwise only
	// Firewall.LocalNetworks and Firewall.Trunks reach them.
	Public bool

	// Ports are open for both UDP and TCP.
	Ports Ports
}

// A Service is a named set of open ports.
type Service struct {
	Name  string      // lower case; with Proto, unique
	Proto string      // ProtoTCP, ProtoUDP, or one of Portless
	Ports []PortRange // at least one, without overlap; none of a protocol without ports
	From  string      // FromLAN or FromAny
}

// The values of Service.Proto and Service.From.
const (
	ProtoTCP = "tcp"
	ProtoUDP = "udp"

	FromLAN = "lan" // Firewall.LocalNetworks only
	FromAny = "any" // everyone who is not blocked
)

// Portless are the protocols without ports that tunnels are made of: IPsec, GRE, and IPv4 and IPv6
// within IP.
var Portless = []string{"esp", "gre", "ipip", "6in4"}

// Metrics says where the agent serves its Prometheus metrics.
type Metrics struct {
	// Listen is a loopback address and port; the zero AddrPort turns metrics off.
	Listen netip.AddrPort
}

// Report says whether and where addresses that attack this host are reported.
type Report struct {
	// Enabled is the owner's word that this host may report at all.
	Enabled bool

	// URL is where VoIPBL takes reports, without a slash at its end and without a query. Insecure
	// allows plain http, where anyone on the way can read and change what is reported.
	URL      string
	Insecure bool

	// Serial tells VoIPBL who reports. It is a secret, and may be empty.
	Serial string

	// PerHour is how many requests are made within any hour, 1..600.
	PerHour int
}

// Redacted is the configuration as it may be shown: without secrets.
func (c Config) Redacted() Config {
	if c.Report.Serial != "" {
		c.Report.Serial = hidden
	}
	c.Feeds = slices.Clone(c.Feeds)
	for i, f := range c.Feeds {
		c.Feeds[i].URL = URL(f.URL.String())
	}
	return c
}

// Redact is a text that was made of the configuration, as it may be shown.
func (c Config) Redact(text string) string {
	var pairs []string
	if c.Report.Serial != "" {
		pairs = append(pairs, c.Report.Serial, hidden)
	}
	for _, f := range c.Feeds {
		if shown := f.URL.String(); shown != string(f.URL) {
			pairs = append(pairs, string(f.URL), shown)
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// hidden stands in for a secret, as in net/url's Redacted.
const hidden = shownurl.Hidden

// Parse reads the text of a configuration file. Keys that are not written have the values of
// Default. The file's name is only used in errors.
//
// The error, if any, joins one *Error for each thing wrong, in the order of their places in the
// text, and tells how many there are beyond the first 50. Broken YAML is reported alone, as nothing
// after it can be trusted.
func Parse(file string, text []byte) (Config, error) {
	r := reader{file: file, places: make(map[string]place)}
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

// RunDir is the run_dir of a configuration that Parse refuses, as far as it can be told: it is
// where whoever still goes by an older one is found.
func RunDir(text []byte) string { return guess(text).RunDir }

// StateDir is its state_dir likewise, where what was last in force is kept.
func StateDir(text []byte) string { return guess(text).StateDir }

func guess(text []byte) Config {
	for _, t := range [][]byte{text, folders(text)} {
		r := reader{places: make(map[string]place)}
		if root, ok := r.syntax(t); ok {
			return r.check(r.decode(root))
		}
	}
	return Default()
}

// folders are the lines of a file that is no YAML that say where the folders are.
func folders(text []byte) (lines []byte) {
	for line := range bytes.Lines(text) {
		if bytes.HasPrefix(line, []byte("state_dir:")) || bytes.HasPrefix(line, []byte("run_dir:")) {
			lines = append(lines, line...)
		}
	}
	return lines
}
