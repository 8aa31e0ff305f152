package ruleset

import (
	"encoding/json"
	"fmt"
	"net/netip"

	"github.com/voipbl/voipbl/iptables"
)

// Place is where blocked addresses are dropped.
type Place string

const (
	// AtInput is the first rule of filter INPUT: packets for this host.
	AtInput Place = "input"

	// AtPrerouting is the first rule of raw PREROUTING: before connection
	// tracking, and also what is forwarded or goes to a published container port.
	AtPrerouting Place = "prerouting"

	// Nowhere means that another program owns the rules.
	Nowhere Place = "none"
)

// LogTarget is where a rate-limited sample of the drops is logged.
type LogTarget string

const (
	LogOff     LogTarget = ""
	LogKernel  LogTarget = "LOG"   // the kernel's log
	LogNetlink LogTarget = "NFLOG" // group 0 of nfnetlink_log, for ulogd
)

// at returns where the drop of a family is.
func (s Settings) at(f iptables.Family) Place {
	if s.DropAt == AtPrerouting && s.NoRaw[f] {
		return AtInput
	}
	return s.DropAt
}

// Settings are all that the rules depend on: the same settings give the same rules on every host.
// They are plain data and can be kept as JSON.
type Settings struct {
	Sets         [2]string `json:"sets"`                // the addresses that lists block, by family
	BanSets      [2]string `json:"ban_sets"`            // this host's bans, likewise; empty for none
	KnownSets    [2]string `json:"known_sets,omitzero"` // registered phones, whom base rules do not limit; likewise
	DropAt       Place     `json:"drop_at"`
	NoRaw        [2]bool   `json:"no_raw,omitzero"`         // families without a usable raw table: AtPrerouting means AtInput there
	IPv6Off      bool      `json:"ipv6_off,omitempty"`      // no rules of voipbl's for IPv6
	DropOutbound bool      `json:"drop_outbound,omitempty"` // also drop what goes to a blocked address
	LogDrops     LogTarget `json:"log_drops,omitempty"`
	Base         *Base     `json:"base,omitempty"` // nil: only the drop
}

// Base is the host firewall around the drop.
type Base struct {
	LocalNetworks []netip.Prefix     `json:"local_networks"`
	Trunks        []netip.Prefix     `json:"trunks"`
	SIPPublic     bool               `json:"sip_public"` // SIP from everywhere, with limits
	SIP           Ports              `json:"sip"`        // UDP and TCP, up to 15 where a range counts as two
	RTP           iptables.PortRange `json:"rtp"`        // UDP
	Services      []Service          `json:"services"`

	// Known are the KnownSets of the Settings. They are not part of what an admin confirms: their
	// members have proved a password.
	Known [2]string `json:"-"`
}

// Service is one or several open ports with a name.
type Service struct {
	Name   string               `json:"name"`
	Proto  string               `json:"proto"` // "tcp" or "udp"; without ports "esp", "gre", "ipip", "6in4"
	Ports  []iptables.PortRange `json:"ports"`
	Public bool                 `json:"public"` // for everyone, not only for the local networks
}

// Ports are ranges that do not overlap.
type Ports []iptables.PortRange

// MarshalJSON writes a single range as an object, as older versions did when there could be only
// one. So stored base rules, and their key, stay the same.
func (p Ports) MarshalJSON() ([]byte, error) {
	if len(p) == 1 {
		return json.Marshal(p[0])
	}
	return json.Marshal([]iptables.PortRange(p))
}

// UnmarshalJSON reads one object or a list.
func (p *Ports) UnmarshalJSON(text []byte) error {
	var one iptables.PortRange
	if err := json.Unmarshal(text, &one); err == nil {
		*p = Ports{one}
		return nil
	}
	return json.Unmarshal(text, (*[]iptables.PortRange)(p))
}

// dports returns the range as --dports takes it. Two ports are written one by one, as in the
// published ruleset.
func dports(p iptables.PortRange) string {
	if p.Last == p.First+1 {
		return fmt.Sprintf("%d,%d", p.First, p.Last)
	}
	return p.String()
}

// portLists returns the ports of the rules that open a service: one list for each rule.
func (s Service) portLists() [][]iptables.PortRange {
	if iptables.HasNoPorts(s.Proto) {
		return [][]iptables.PortRange{nil}
	}
	var lists [][]iptables.PortRange
	for _, p := range s.Ports {
		lists = append(lists, []iptables.PortRange{p})
	}
	return lists
}
