package fleet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/voipbl/voipbl/fleet/link"
)

// MaxMessage is the most bytes of a message: about 200 bans, and 16 of them are what a host can
// occupy at the hub.
const MaxMessage = 16 << 10

// MaxInstance is the most bytes of an instance (see [Encode]).
const MaxInstance = 64

// mostTime is the longest age or time left: sums with the time of day do not overflow.
const mostTime = 100 * 365 * 24 * time.Hour

// Said is a ban of an address as a host says it.
type Said struct {
	Addr   netip.Addr    // see Canonical
	Age    time.Duration // since it was made
	Left   time.Duration // until it ends; negative: no end
	Why    string        // for whoever looks at the ban
	Proved bool          // nobody has forged the attacker's packets
}

// message is the content of a slot. Of bans that are as old as Whole, in seconds, or older, it may not have all;
// 0: it has all.
type message struct {
	Instance string  `json:"instance"`
	Whole    int64   `json:"whole,omitempty"`
	Bans     []entry `json:"bans"`
}

// entry is a ban in a message, with times in seconds.
type entry struct {
	P      string `json:"p"`
	Age    int64  `json:"age"`
	Left   int64  `json:"left"`
	Why    string `json:"why,omitempty"`
	Proved bool   `json:"proved,omitempty"`
}

// noEnd is the time left of a ban without end.
const noEnd = -1

// Divide returns bans by slots, as a host says them, each with its canonical address. It leaves out
// those that are nobody else's business. Of two bans of one address it keeps the one that ends later.
func Divide(said []Said) (slots [Slots][]Said) {
	at := make(map[netip.Addr]int, len(said)) // where in its slot
	for _, s := range said {
		a, ok := Canonical(s.Addr)
		if !ok {
			continue
		}
		s.Addr = a
		slot := SlotOf(a)
		i, twice := at[a]
		switch {
		case !twice:
			at[a] = len(slots[slot])
			slots[slot] = append(slots[slot], s)
		case longer(s.Left, slots[slot][i].Left):
			slots[slot][i] = s
		}
	}
	return slots
}

func longer(left, than time.Duration) bool {
	return than >= 0 && (left < 0 || left > than)
}

// Encode returns the message for the bans of one slot (see Divide), the foremost first, and how many
// of the last had no room in it. whole is from which age on bans are missing already, 0 if none are: a reader
// takes none back that are older. The instance tells this host from another one that has the same name
// by mistake; it is up to MaxInstance printable ASCII characters.
func Encode(instance string, said []Said, whole time.Duration) (text []byte, leftOut int) {
	said, within := foremost(slices.Clone(said), Said.placed)
	entries, room := make([][]byte, 0, len(said)), MaxMessage-len(head(instance, mostTime))-len(end)
	for _, s := range said {
		e := mustMarshal(newEntry(s))
		if room -= len(e) + len(","); room+len(",") < 0 { // there is one comma less than entries
			break
		}
		entries = append(entries, e)
	}
	leftOut = len(said) - len(entries)
	if from := wholeUntil(said[:within], Said.placed, len(entries)); from > 0 && (whole == 0 || from < whole) {
		whole = from
	}
	text = append(head(instance, whole), bytes.Join(entries, []byte(","))...)
	return append(text, end...), leftOut
}

// end is that of a message.
const end = "]}"

// head is a message until its first ban.
func head(instance string, whole time.Duration) []byte {
	m := message{Instance: tidy(instance, MaxInstance), Bans: []entry{}}
	if whole > 0 {
		m.Whole = max(seconds(whole), 1)
	}
	text := mustMarshal(m)
	return text[:len(text)-len(end)]
}

// placed is by what bans are put in order.
func (s Said) placed() (netip.Addr, time.Duration) { return s.Addr, max(s.Age, 0) }

// newEntry returns a ban as it stands in a message. A ban that has not ended has a second left.
func newEntry(s Said) entry {
	e := entry{P: s.Addr.String(), Age: seconds(max(s.Age, 0)), Left: noEnd, Why: tidy(s.Why, link.MaxWhy), Proved: s.Proved}
	if s.Left >= 0 {
		e.Left = seconds(min(s.Left, mostTime) + time.Second - 1)
	}
	return e
}

func seconds(d time.Duration) int64 { return int64(min(d, mostTime) / time.Second) }

func mustMarshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers
	}
	return text
}

// tidy returns a text as others take it: so many bytes at most, and plain.
func tidy(text string, most int) string {
	b := []byte(text[:min(len(text), most)])
	for i, c := range b {
		if !isPlain(c) {
			b[i] = '?'
		}
	}
	return string(b)
}

func isTidy(text string, most int) bool { return text == tidy(text, most) }

// isPlain is true for printable ASCII: whatever else a host says, it cannot confuse a terminal.
func isPlain(c byte) bool { return c >= ' ' && c <= '~' }

// Message is what a host says in a slot.
type Message struct {
	Instance string // see Encode
	Said     []Said // each address is canonical and of the slot, and named once
	Odd      int    // so many bans more are odd, and left out

	// Of bans that were this old or older when the hub stored the message, some may be missing: they are not
	// taken back by that. 0: none is missing.
	Whole time.Duration
}

// Decode returns what a host says in a message. An error means that the message says nothing, not that the
// host has no bans.
func Decode(slot int, text []byte) (Message, error) {
	if len(text) > MaxMessage {
		return Message{}, fmt.Errorf("the message has %d bytes, not at most %d", len(text), MaxMessage)
	}
	m, odd, err := read(text)
	if err != nil {
		return Message{}, fmt.Errorf("the message cannot be read: %w", err)
	}
	if !isTidy(m.Instance, MaxInstance) {
		return Message{}, fmt.Errorf("the instance of the message is not up to %d printable characters", MaxInstance)
	}
	all := Message{Instance: m.Instance, Said: make([]Said, 0, len(m.Bans)), Odd: odd, Whole: duration(max(m.Whole, 0))}
	seen := seenPool.Get().(map[netip.Addr]bool)
	defer seenPool.Put(seen)
	clear(seen)
	for _, e := range m.Bans {
		s, ok := e.said(slot)
		if !ok || seen[s.Addr] {
			all.Odd++
			continue
		}
		seen[s.Addr] = true
		all.Said = append(all.Said, s)
	}
	return all, nil
}

// seenPool has maps of addresses: a host that begins reads thousands of messages.
var seenPool = sync.Pool{New: func() any { return make(map[netip.Addr]bool) }}

// read returns a message without the bans that have a member of another type than they should.
func read(text []byte) (m message, odd int, err error) {
	var mistyped *json.UnmarshalTypeError
	switch err := json.Unmarshal(text, &m); {
	case errors.As(err, &mistyped):
		return readEach(text)
	case err != nil:
		return m, 0, err
	case m.Bans == nil:
		return m, 0, errors.New("it has no bans, not even none")
	}
	return m, 0, nil
}

func readEach(text []byte) (m message, odd int, err error) {
	var raw struct {
		Instance string            `json:"instance"`
		Whole    int64             `json:"whole"`
		Bans     []json.RawMessage `json:"bans"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return m, 0, err
	}
	m.Instance, m.Whole = raw.Instance, raw.Whole
	for _, r := range raw.Bans {
		var e entry
		if json.Unmarshal(r, &e) != nil {
			odd++
			continue
		}
		m.Bans = append(m.Bans, e)
	}
	return m, odd, nil
}

// said returns what an entry of a slot says; false if it is odd.
func (e entry) said(slot int) (Said, bool) {
	a, err := netip.ParseAddr(e.P)
	if err != nil {
		return Said{}, false
	}
	canonical, ok := Canonical(a)
	if !ok || a != canonical || SlotOf(a) != slot || e.Age < 0 || e.Left < noEnd || !isTidy(e.Why, link.MaxWhy) {
		return Said{}, false
	}
	s := Said{Addr: a, Age: duration(e.Age), Left: noEnd, Why: e.Why, Proved: e.Proved}
	if e.Left != noEnd {
		s.Left = duration(e.Left)
	}
	return s, true
}

// duration returns so many seconds; more than mostTime are as good as that.
func duration(seconds int64) time.Duration {
	return time.Duration(min(seconds, int64(mostTime/time.Second))) * time.Second
}
