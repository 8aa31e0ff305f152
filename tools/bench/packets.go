package main

import (
	"maps"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/tools/bench/page"
)

// How packets are sent: from so many sources, in parts of which one is sent twice in each round. The
// second time is measured. A part takes some milliseconds, so that some are not disturbed even on a
// busy machine.
const (
	sources = 4096
	part    = sources / page.Parts
)

// A shot is one kind of packet for one room.
type shot struct {
	room    *room
	packet  string
	place   string // if it is not the room's
	volley  []message
	counter *int // of the room, that this packet raises; nil if none
	times   []float64
}

// packets measures what packets cost.
func (b *bench) packets(r *page.Results) error {
	if err := command("ip", "netns", "add", outside); err != nil {
		return err
	}
	rooms, err := b.rooms(r)
	if err != nil {
		return err
	}
	shots, err := b.shots(rooms)
	if err != nil {
		return err
	}
	rounds := 240
	if b.quick {
		rounds = 40
	}
	say("%d kinds of packets in %d namespaces, %d rounds", len(shots), len(rooms), rounds)
	done := make(chan error)
	go func() { done <- b.volleys(shots, rounds) }() // its thread, on one core, ends with it
	if err := <-done; err != nil {
		return err
	}
	for _, room := range rooms {
		if err := room.check(); err != nil {
			return err
		}
	}
	for _, s := range shots {
		p := page.Packets{Place: s.room.place, List: s.room.list, Shape: s.room.shape, Packet: s.packet, Times: s.times}
		if s.place != "" {
			p.Place = s.place
		}
		r.Packets = append(r.Packets, p)
	}
	return nil
}

// volleys sends all kinds of packets in turns.
func (b *bench) volleys(shots []*shot, rounds int) error {
	if err := pin(); err != nil {
		return err
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for round := range rounds {
		for _, s := range shots {
			if b.ctx.Err() != nil {
				return b.ctx.Err()
			}
			at := round * part % sources
			if _, err := s.room.sender.send(s.volley[at : at+part]); err != nil {
				return err
			}
			took, err := s.room.sender.send(s.volley[at : at+part])
			if err != nil {
				return err
			}
			if s.counter != nil {
				*s.counter += 2 * part
			}
			s.times = append(s.times, math.Round(float64(took.Nanoseconds())/part*10)/10)
		}
	}
	return nil
}

// rooms makes and furnishes all rooms, and notes what their sets hold.
func (b *bench) rooms(r *page.Results) (rooms []*room, err error) {
	lists, err := b.packetLists()
	if err != nil {
		return nil, err
	}
	file := func(name string) string { return filepath.Join(b.work, strings.ReplaceAll(name, " ", "-")) }
	for name, text := range lists {
		if err := os.WriteFile(file(name), text, 0o644); err != nil {
			return nil, err
		}
	}
	add := func(place, list, shape string) error {
		room, err := newRoom(len(rooms), place, list, shape)
		if err != nil {
			return err
		}
		rooms = append(rooms, room)
		return b.furnish(room, file(list))
	}
	for _, place := range []string{page.NoRules, page.EndPrerouting, page.EndInput} {
		if err := add(place, "", ""); err != nil {
			return nil, err
		}
	}
	for _, list := range []string{page.LikeVoIPBL, page.LikeFirehol} {
		for _, shape := range []string{page.Unshaped, page.Shaped} {
			for _, place := range []string{page.OneRule, page.Prerouting, page.Input} {
				if err := add(place, list, shape); err != nil {
					return nil, err
				}
			}
			entries, err := rooms[len(rooms)-1].entries()
			if err != nil {
				return nil, err
			}
			lengths := map[int]bool{}
			for _, e := range entries {
				lengths[e.Bits()] = true
			}
			r.Sets = append(r.Sets, page.Set{List: list, Shape: shape, Entries: len(entries), Lengths: len(lengths)})
		}
	}
	for _, place := range []string{page.BaseInput, page.BasePrerouting} {
		if err := add(place, page.LikeVoIPBL, page.Shaped); err != nil {
			return nil, err
		}
	}
	return rooms, nil
}

// entries are those of the room's set.
func (r *room) entries() (all []netip.Prefix, err error) {
	saved, err := r.run("ipset", "save", "voip_bl")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(saved)) {
		words := strings.Fields(line)
		if words[0] != "add" {
			continue
		}
		text := words[2]
		if !strings.Contains(text, "/") {
			text += "/32"
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// shots are the packets for each room.
func (b *bench) shots(rooms []*room) (shots []*shot, err error) {
	listed := map[string][]netip.Prefix{}
	for _, r := range rooms {
		if r.place == page.Input {
			if listed[r.list], err = r.entries(); err != nil {
				return nil, err
			}
		}
	}
	blocked := map[string][]netip.Addr{}
	for list, entries := range listed {
		blocked[list] = spread(sources, func(rng *rand.Rand) netip.Addr { return entries[rng.IntN(len(entries))].Addr() })
	}
	good := spread(sources, func(rng *rand.Rand) netip.Addr {
		for {
			if addr := publicAddr(rng); !contains(listed, addr) {
				return addr
			}
		}
	})
	one := slices.Repeat(good[:1], sources)
	none := func(netip.Addr) []byte { return nil }
	rtp := func(netip.Addr) []byte { return make([]byte, rtpSize) }
	add := func(r *room, place, packet string, counter *int, etherType uint16, from []netip.Addr, port uint16, payload func(netip.Addr) []byte) {
		frames := make([][]byte, len(from))
		for i, addr := range from {
			frames[i] = frame(etherType, addr, port, payload(addr))
		}
		shots = append(shots, &shot{room: r, place: place, packet: packet, volley: newVolley(frames), counter: counter})
	}
	for _, r := range rooms {
		calls := func(place string, etherType uint16, heard, met *int) {
			add(r, place, page.RTP, heard, etherType, good, rtpPort, rtp)
			add(r, place, page.SIP, heard, etherType, good, sipPort, sip)
			flood := heard
			if r.place != page.NoRules {
				flood = nil // beyond the limits
			}
			add(r, place, page.SIPFlood, flood, etherType, one, sipPort, sip)
			add(r, place, page.BlockedAs, met, etherType, blocked[page.LikeVoIPBL], sipPort, sip)
		}
		switch r.place {
		case page.NoRules:
			for _, packet := range []string{page.Blocked, page.Good} {
				add(r, page.Wire, packet, nil, etherNothing, good, sipPort, none)
			}
			calls(page.Wire, etherNothing, nil, nil)
			calls("", etherIPv4, &r.heard, &r.heard)
		case page.BaseInput, page.BasePrerouting:
			calls("", etherIPv4, &r.heard, &r.met)
		case page.Prerouting, page.Input:
			add(r, "", page.Blocked, &r.met, etherIPv4, blocked[r.list], sipPort, none)
			add(r, "", page.Good, &r.ended, etherIPv4, good, sipPort, none)
		default:
			add(r, "", page.Good, &r.ended, etherIPv4, good, sipPort, none)
		}
	}
	return shots, nil
}

// contains reports whether a list has an address.
func contains(lists map[string][]netip.Prefix, addr netip.Addr) bool {
	for entries := range maps.Values(lists) {
		if slices.ContainsFunc(entries, func(p netip.Prefix) bool { return p.Contains(addr) }) {
			return true
		}
	}
	return false
}
