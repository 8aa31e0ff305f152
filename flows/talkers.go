package flows

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/internal/portrange"
)

// Use is what a flow is for, by the port of this host.
type Use string

const (
	Call Use = "call" // media: UDP to a port for RTP
	TCP  Use = "tcp"  // a TCP connection of this host, on another port than those for SIP
	SIP  Use = "sip"  // signalling, by UDP or TCP
)

// kind is a use, and whether it is by TCP, which a forged packet cannot begin.
type kind struct {
	use Use
	tcp bool
}

// kinds lists all kinds. A person notices the loss of the first ones first. SIP over UDP shows least:
// attackers have it, too.
var kinds = [...]kind{{Call, false}, {TCP, true}, {SIP, true}, {SIP, false}}

// Ports are those of a PBX.
type Ports struct{ SIP, RTP []portrange.Range }

// Use returns what a flow is for; "" if it is of no interest, such as an answer from a name server.
func (p Ports) Use(f Flow) Use {
	has := func(ranges []portrange.Range) bool {
		return slices.ContainsFunc(ranges, func(r portrange.Range) bool { return r.Has(f.Port) })
	}
	switch {
	case has(p.SIP):
		return SIP
	case f.TCP && f.Own:
		return TCP
	case !f.TCP && has(p.RTP):
		return Call
	}
	return ""
}

// maxTalkers is how many addresses are kept for each kind. It limits the memory to some 3 MB, whoever
// has how many flows.
const maxTalkers = 16384

// Talkers are addresses that this host talks with, in bounded memory. However many flows for SIP an
// attacker opens, they displace no call.
type Talkers struct {
	byKind [len(kinds)]map[netip.Addr]ends
	Full   bool // there are more addresses than were kept
}

type ends struct{ port, peerPort uint16 }

func (e ends) compare(o ends) int {
	return cmp.Or(cmp.Compare(e.port, o.port), cmp.Compare(e.peerPort, o.peerPort))
}

// Add adds a flow. Of several flows of one address and one kind, that with the lowest port is kept.
func (t *Talkers) Add(f Flow, use Use) {
	i := slices.Index(kinds[:], kind{use, f.TCP})
	if i < 0 {
		return
	}
	end := ends{f.Port, f.PeerPort}
	known, there := t.byKind[i][f.Peer]
	switch {
	case !there && len(t.byKind[i]) == maxTalkers:
		t.Full = true
		return
	case t.byKind[i] == nil:
		t.byKind[i] = make(map[netip.Addr]ends)
	case there && known.compare(end) <= 0:
		return
	}
	t.byKind[i][f.Peer] = end
}

// only returns those of some addresses.
func (t Talkers) only(these func(netip.Addr) bool) Talkers {
	for _, of := range t.byKind {
		maps.DeleteFunc(of, func(addr netip.Addr, _ ends) bool { return !these(addr) })
	}
	return t
}

// Talker is an address that this host talks with.
type Talker struct {
	Address netip.Addr
	Flows   []UsedFlow // one for each kind, in the order of the kinds
}

// UsedFlow is a flow and what it is for.
type UsedFlow struct {
	Use      Use    `json:"use"`
	Proto    string `json:"proto"` // "tcp" or "udp"
	Port     uint16 `json:"port"`  // of this host
	PeerPort uint16 `json:"peer_port"`
}

// Len is how many addresses were kept.
func (t *Talkers) Len() int {
	all := 0
	for i, of := range t.byKind {
		for addr := range of {
			if !t.has(addr, i) {
				all++
			}
		}
	}
	return all
}

// has reports whether one of the first kinds has an address.
func (t *Talkers) has(addr netip.Addr, first int) bool {
	return slices.ContainsFunc(t.byKind[:first], func(of map[netip.Addr]ends) bool { _, there := of[addr]; return there })
}

// First returns up to n addresses: those with calls first, then those with TCP connections, each in the
// order of the addresses.
func (t *Talkers) First(n int) (first []Talker) {
	for i, of := range t.byKind {
		var addrs []netip.Addr
		for addr := range of {
			if !t.has(addr, i) {
				addrs = append(addrs, addr)
			}
		}
		slices.SortFunc(addrs, netip.Addr.Compare)
		for _, addr := range addrs[:min(len(addrs), n-len(first))] {
			first = append(first, t.talker(addr))
		}
	}
	return first
}

// talker returns all that is known of an address.
func (t *Talkers) talker(addr netip.Addr) Talker {
	talker := Talker{Address: addr}
	for i, of := range t.byKind {
		if e, there := of[addr]; there {
			talker.Flows = append(talker.Flows, UsedFlow{kinds[i].use, Flow{TCP: kinds[i].tcp}.Proto(), e.port, e.peerPort})
		}
	}
	return talker
}
