// Package host looks at the machine that voipbl runs on: its networks, what
// listens on it, which PBX it is, which other programs look after its firewall. It
// is what "voipbl setup" proposes from and "voipbl doctor" looks through.
//
// It only looks: nothing is changed, no daemon is asked for more than it tells
// everybody, and what cannot be found out is absent, with the reason among
// Unknown. What the firewall's rules are is not its business, but that of package
// firewall.
package host

import "net/netip"

// Facts are what was found on a machine.
type Facts struct {
	Networks  []Network  `json:"networks"`  // by interface, in the kernel's order
	Arrivals  *Arrivals  `json:"-"`         // nil if it could not be found out
	Listeners []Listener `json:"listeners"` // by port
	Tunnels   []Tunnel   `json:"tunnels"`
	Asterisk  *Asterisk  `json:"asterisk,omitempty"`
	PBXs      []PBX      `json:"pbxs"` // every PBX that is installed, Asterisk among them
	Firewalls []Owner    `json:"firewalls"`
	Fail2ban  *Fail2ban  `json:"fail2ban,omitempty"`
	Docker    *Docker    `json:"docker,omitempty"`
	XTRecent  *XTRecent  `json:"xt_recent,omitempty"`
	Agent     *Unit      `json:"agent,omitempty"` // voipbl's own

	// Saved are lines of the files that are loaded at boot which name sets, or rules of
	// voipbl's; SetsAtBoot is that voipbl's own unit makes its sets before.
	Saved      []SavedLine `json:"saved"`
	SetsAtBoot bool        `json:"sets_at_boot"`

	Script []ScriptLine `json:"script"` // what runs the published voipbl.sh

	Logins  Logins    `json:"logins"`
	Unknown []Unknown `json:"unknown"`
}

// Unknown is something that could not be found out.
type Unknown struct {
	What   string `json:"what"` // such as "the jails of fail2ban"
	Error  string `json:"error"`
	Remedy string `json:"remedy,omitempty"`
}

// Network is an address of this host and the network that it is in.
type Network struct {
	Interface string       `json:"interface"`
	Addr      netip.Addr   `json:"addr"`
	Prefix    netip.Prefix `json:"prefix"`    // masked
	Private   bool         `json:"private"`   // RFC 1918, RFC 4193
	Container bool         `json:"container"` // a bridge of Docker and the like: no phones there
}

// Listener is a port of this host that somebody waits on, on another address than
// a loopback one.
type Listener struct {
	Proto   string     `json:"proto"`             // tcp or udp; esp, gre, ipip or 6in4 if the kernel unpacks those
	Addr    netip.Addr `json:"addr"`              // unspecified: all of them
	Port    uint16     `json:"port"`              // 0 for a protocol without ports
	Program string     `json:"program,omitempty"` // the process's name, empty if it is not to be found
	VPN     string     `json:"vpn,omitempty"`     // such as openvpn, if a tunnel comes in by it
}

// PBX is a telephony program that is installed here.
type PBX struct {
	Name    string `json:"name"` // asterisk, freepbx, fusionpbx, freeswitch, kamailio, opensips
	Version string `json:"version,omitempty"`
	Running bool   `json:"running"`

	SIP        []Port      `json:"sip,omitempty"`        // where its configuration has it listen for SIP, but for Asterisk
	WebSockets []WebSocket `json:"websockets,omitempty"` // and for SIP by WebSocket
}

// WebSocket is a TCP port that browsers speak SIP to.
type WebSocket struct {
	Port uint16 `json:"port"`
	TLS  bool   `json:"tls"`
}

// Asterisk is what Asterisk's configuration says, below /etc/asterisk.
type Asterisk struct {
	SIP      []Port       `json:"sip"`      // where it listens for SIP, without duplicates
	RTP      [2]uint16    `json:"rtp"`      // first and last port, as in rtp.conf
	Logs     []Log        `json:"logs"`     // the files that logger.conf names
	Trunks   []string     `json:"trunks"`   // providers: hosts, addresses and networks
	Contacts []netip.Addr `json:"contacts"` // from where phones are registered now

	IAX2       *IAX2       `json:"iax2,omitempty"`       // if it speaks that
	WebSockets []WebSocket `json:"websockets,omitempty"` // of its web server, if SIP comes in by it

	Syslog   []SyslogChannel `json:"syslog,omitempty"`    // what logger.conf sends to syslog
	LogsFile string          `json:"logs_file,omitempty"` // where a line of [logfiles] belongs, if not into logger.conf
	Skipped  []string        `json:"skipped,omitempty"`   // lines of its configuration that it warns of and leaves out
}

// IAX2 is what iax.conf says.
type IAX2 struct {
	Ports     []Port   `json:"ports"`
	Trunks    []string `json:"trunks"`           // peers and registrations: hosts, addresses and networks
	Accounts  bool     `json:"accounts"`         // somebody may log in, or is called
	AuthDebug bool     `json:"authdebug"`        // it logs who fails to
	Custom    string   `json:"custom,omitempty"` // where a line of [general] belongs, if not into iax.conf
}

// Port is a port and its protocol.
type Port struct {
	Proto string `json:"proto"`
	Port  uint16 `json:"port"`
}

// Log is a log file of Asterisk and the levels that go there, in lower case.
type Log struct {
	File   string   `json:"file"`
	Levels []string `json:"levels"`
	Format string   `json:"format,omitempty"` // "json", "plain"; empty for the default
	Jails  []string `json:"jails,omitempty"`  // of fail2ban, that read it
}

// SyslogChannel is what Asterisk sends to syslog.
type SyslogChannel struct {
	Facility string   `json:"facility"` // such as local0
	Levels   []string `json:"levels"`
	Format   string   `json:"format,omitempty"`
	Jails    []string `json:"jails,omitempty"` // of fail2ban, that read it in the journal or in a file of syslog's
}

// Owner is another program that looks after this host's firewall.
type Owner struct {
	Name   string `json:"name"`    // ufw, firewalld, freepbx-firewall, netfilter-persistent, nftables
	Active bool   `json:"active"`  // in force now
	AtBoot bool   `json:"at_boot"` // systemd starts it
}

// Fail2ban is the fail2ban of this host.
type Fail2ban struct {
	Version string `json:"version"`
	Running bool   `json:"running"`
	Jails   []Jail `json:"jails"`

	// Down is that systemd starts it at boot, and no server runs now; Silent that one runs
	// and does not answer.
	Down   bool `json:"down,omitempty"`
	Silent bool `json:"silent,omitempty"`

	// Mistake is what its own test of its configuration names, and JournalJails are those that
	// are to read the journal, on a host that lacks what Python needs for it, of which the test
	// knows nothing. With either it does not start; one that runs has an older configuration.
	Mistake      string   `json:"mistake,omitempty"`
	JournalJails []string `json:"journal_jails,omitempty"`
}

// Jail is a jail that runs.
type Jail struct {
	Name   string       `json:"name"`
	Logs   []string     `json:"logs"` // none: it reads the journal
	Banned []netip.Addr `json:"banned"`
	// BannedNetworks are bans of whole networks, which somebody made by hand.
	BannedNetworks []netip.Prefix `json:"banned_networks,omitempty"`
	Actions        []BanAction    `json:"actions"`

	JournalMatch string    `json:"journal_match,omitempty"` // what of the journal it reads
	Sick         []SickLog `json:"sick,omitempty"`          // logs that it reads in vain
}

// BanAction is where a jail's action puts a banned address.
type BanAction struct {
	Name string  `json:"name"` // such as iptables-multiport
	Into BanInto `json:"into"`
	// Target is the name of the set, or of the chain, or "FAMILY TABLE SET" of
	// nftables.
	Target string `json:"target,omitempty"`
	// Target6 is that for IPv6, if it is another one.
	Target6 string `json:"target6,omitempty"`
}

// BanInto is what kind of thing a ban ends in.
type BanInto string

const (
	IntoSet      BanInto = "ipset"
	IntoChain    BanInto = "iptables"
	IntoNFTables BanInto = "nftables"
	IntoVoipbl   BanInto = "voipbl" // "voipbl ban"
	IntoOther    BanInto = "other"  // a mail, a report, something we do not know
)

// Docker is the Docker (or Podman) of this host.
type Docker struct {
	Running bool `json:"running"`
}

// XTRecent is the kernel's memory of sources, for the limits of the base rules.
type XTRecent struct {
	// MaxAddrs is how many addresses one list remembers (ip_list_tot).
	MaxAddrs int `json:"max_addrs"`
	// MaxPackets is how many packets of one address (ip_pkt_list_tot); 0, the
	// default, is as many as the rules ask for (net/netfilter/xt_recent.c).
	MaxPackets int `json:"max_packets"`
	// Lists has how many addresses each list has now, by name.
	Lists map[string]int `json:"lists"`
}
