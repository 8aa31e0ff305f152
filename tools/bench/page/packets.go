package page

import "math"

// Packets are the times of one kind of packet in one place, in ns a packet: sending and receiving it.
type Packets struct {
	Place  string    `json:"place"`
	List   string    `json:"list,omitempty"`  // none: no set
	Shape  string    `json:"shape,omitempty"` // of the set
	Packet string    `json:"packet"`
	Times  []float64 `json:"ns"`
}

// A Set is what is in the kernel for a list.
type Set struct {
	List    string `json:"list"`
	Shape   string `json:"shape"`
	Entries int    `json:"entries"`
	Lengths int    `json:"lengths"`
}

// Where packets are measured. Those of Wire are of an EtherType that no one handles: what sending
// and receiving costs without IP. NoRules and what follows say where the packet meets the set.
const (
	Wire           = "wire"
	NoRules        = "no rules"
	OneRule        = "one rule"
	Prerouting     = "prerouting"
	Input          = "input"
	BaseInput      = "base rules, input"
	BasePrerouting = "base rules, prerouting"
	// The same without any rule of voipbl, for what is compared with.
	EndPrerouting = "no rules, dropped in prerouting"
	EndInput      = "no rules, dropped in input"

	Unshaped = "unshaped"
	Shaped   = "shaped"

	LikeVoIPBL  = "like VoIPBL"
	LikeFirehol = "like firehol_level1"

	Blocked   = "blocked"
	Good      = "good"
	RTP       = "RTP"
	SIP       = "SIP, from many"
	SIPFlood  = "SIP, from one"
	BlockedAs = "blocked, as SIP"
)

// Parts is in how many parts the sources of packets are sent, one in each round. Some sources cost more
// than others.
const Parts = 4

// quickest is the mean of the best round of each part. NaN if there is none.
func quickest(times []float64) float64 {
	var sum float64
	for part := range Parts {
		var rounds []float64
		for i := part; i < len(times); i += Parts {
			rounds = append(rounds, times[i])
		}
		sum += best(rounds)
	}
	return sum / Parts
}

// times returns the times of a kind of packet.
func (r Results) times(place, list, shape, packet string) []float64 {
	for _, p := range r.Packets {
		if p.Place == place && p.List == list && p.Shape == shape && p.Packet == packet {
			return p.Times
		}
	}
	return nil
}

// set returns what is in the kernel for a list.
func (r Results) set(list, shape string) (Set, bool) {
	for _, s := range r.Sets {
		if s.List == list && s.Shape == shape {
			return s, true
		}
	}
	return Set{}, false
}

// lookup is what one rule that looks a good packet up adds to it.
func (r Results) lookup(list, shape string) float64 {
	return quickest(r.times(OneRule, list, shape, Good)) - quickest(r.times(EndPrerouting, "", "", Good))
}

// received is the receiving side's share of a packet: without what the wire costs.
func (r Results) received(place, list, shape, packet string) float64 {
	return quickest(r.times(place, list, shape, packet)) - quickest(r.times(Wire, "", "", packet))
}

// lookupTable is about good packets and one rule.
func (r Results) lookupTable() string {
	t := table{head: []string{"list", "shape", "entries", "lengths", "look-up, ns", "shaped / unshaped", "spread"}}
	for _, list := range []string{LikeVoIPBL, LikeFirehol} {
		for _, shape := range []string{Unshaped, Shaped} {
			s, ok := r.set(list, shape)
			if !ok {
				continue
			}
			lookup := r.lookup(list, shape)
			t.add(list, shape, thousands(s.Entries), thousands(s.Lengths), number(lookup), ratio(lookup, r.lookup(list, Unshaped)), percent(spread(r.times(OneRule, list, shape, Good))))
		}
	}
	return t.String()
}

// placeTable is about blocked and good packets, and voipbl's own rules without base rules.
func (r Results) placeTable() string {
	t := table{head: []string{"where, set", "blocked, ns", "good, ns", "good / no rules", "spread"}}
	for _, place := range []struct{ with, without string }{{Prerouting, EndPrerouting}, {Input, EndInput}} {
		without := r.received(place.without, "", "", Good)
		if !math.IsNaN(without) {
			t.add(place.without, "–", number(without), "1", percent(spread(r.times(place.without, "", "", Good))))
		}
		for _, s := range r.Sets {
			good := r.received(place.with, s.List, s.Shape, Good)
			if math.IsNaN(good) {
				continue
			}
			t.add(place.with+", "+s.List+", "+s.Shape, number(r.received(place.with, s.List, s.Shape, Blocked)), number(good), ratio(good, without),
				percent(spread(r.times(place.with, s.List, s.Shape, Good))))
		}
	}
	return t.String()
}

// baseTable is about packets that go through the base rules.
func (r Results) baseTable() string {
	t := table{head: []string{"packet", "no rules, ns", BaseInput + ", ns", "× no rules", BasePrerouting + ", ns", "× no rules", "spread"}}
	for _, packet := range []string{RTP, SIP, SIPFlood, BlockedAs} {
		none := r.received(NoRules, "", "", packet)
		input, prerouting := r.received(BaseInput, LikeVoIPBL, Shaped, packet), r.received(BasePrerouting, LikeVoIPBL, Shaped, packet)
		if !math.IsNaN(none) {
			t.add(packet, number(none), number(input), ratio(input, none), number(prerouting), ratio(prerouting, none), percent(spread(r.times(BaseInput, LikeVoIPBL, Shaped, packet))))
		}
	}
	return t.String()
}
