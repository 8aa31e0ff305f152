package banlist

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/voipbl/voipbl/cidr"
)

// line is a line of the journal. It has its own clocks, so that it can be understood
// after a boot, and after the wall clock was set.
type line struct {
	Op      string       `json:"op"` // opBan or opUnban
	Prefix  netip.Prefix `json:"prefix"`
	Address netip.Prefix `json:"address,omitzero"`
	Reason  string       `json:"reason,omitempty"`

	// Of opBan: when it was said, for how many seconds, and when it ends, by the
	// wall clock and in milliseconds of Boot.
	At    time.Time `json:"at,omitzero"`
	For   float64   `json:"for,omitempty"`
	Until time.Time `json:"until,omitzero"`
	Ends  int64     `json:"ends,omitempty"`

	// When the line was written: the boot, milliseconds since, and the wall clock.
	Boot string    `json:"boot"`
	Up   int64     `json:"up"`
	Wall time.Time `json:"wall"`
}

const (
	opBan   = "ban"
	opUnban = "unban"
)

// AppendBan appends to b the line that puts a ban in.
func AppendBan(b []byte, ban Ban, now Clock) []byte {
	l := newLine(opBan, ban, now)
	l.At, l.For = ban.At, ban.For.Seconds()
	if ban.For != 0 {
		l.Ends = ban.Ends.Milliseconds()
		l.Until = now.Wall.Add(ban.Ends - now.Up).UTC().Truncate(time.Second)
	}
	return l.append(b)
}

// AppendUnban appends to b the line that takes a ban out.
func AppendUnban(b []byte, ban Ban, now Clock) []byte { return newLine(opUnban, ban, now).append(b) }

func newLine(op string, ban Ban, now Clock) *line {
	return &line{
		Op: op, Prefix: ban.Prefix, Address: ban.Address, Reason: ban.Reason,
		Boot: now.Boot, Up: now.Up.Milliseconds(), Wall: now.Wall.UTC().Truncate(time.Millisecond),
	}
}

func (l *line) append(b []byte) []byte {
	text, err := json.Marshal(l)
	if err != nil {
		panic(err) // our own plain data
	}
	return append(append(b, text...), '\n')
}

// Encode is a journal that says nothing but what the table holds now.
func (t *Table) Encode(now Clock) []byte {
	var b []byte
	for _, e := range t.bans {
		if !e.over(now) {
			b = AppendBan(b, e.Ban, now)
		}
	}
	return b
}

// Journal is what was read of one.
type Journal struct {
	Table   *Table
	Lines   int   // that were understood
	Size    int64 // of the whole lines
	Cut     bool  // the last line has no end: writing it was cut short
	Damaged []int // the numbers of lines that cannot be understood, from 1

	// Last is when the last line was written; zero if there is none.
	Last Clock
}

// Decode reads a journal. What is over by now is not in the table.
func Decode(text []byte, now Clock) *Journal {
	j := &Journal{Table: NewTable()}
	type known struct {
		Ban
		end end
	}
	bans := make(map[key]known)
	for number := 1; len(text) > 0; number++ {
		row, rest, ended := bytes.Cut(text, []byte{'\n'})
		if !ended {
			j.Cut = true
			break
		}
		text = rest
		j.Size += int64(len(row)) + 1
		l, err := parseLine(row)
		if err != nil {
			j.Damaged = append(j.Damaged, number)
			continue
		}
		j.Lines++
		j.Last = Clock{l.Boot, time.Duration(l.Up) * time.Millisecond, l.Wall}
		b := l.ban()
		if l.Op == opUnban {
			delete(bans, b.key())
			continue
		}
		bans[b.key()] = known{b, l.end()}
	}
	for _, b := range bans {
		j.Table.restore(b.Ban, b.end, now, j.Last)
	}
	return j
}

// restore puts in a ban that was written down, unless it is over.
func (t *Table) restore(b Ban, e end, now, last Clock) {
	if b.For != 0 {
		left := e.left(now, last, b.For)
		if left <= 0 {
			return
		}
		b.Ends = now.Up + left
	}
	t.Add(b)
}

func parseLine(row []byte) (*line, error) {
	var l line
	if err := json.Unmarshal(row, &l); err != nil {
		return nil, err
	}
	switch {
	case l.Op != opBan && l.Op != opUnban:
		return nil, fmt.Errorf("unknown operation %q", l.Op)
	case !l.Prefix.IsValid() || l.Prefix.Bits() == 0:
		return nil, fmt.Errorf("no address")
	case l.For < 0 || l.Up < 0 || l.Ends < 0:
		return nil, fmt.Errorf("a time below zero")
	}
	l.Prefix = cidr.FromNetip(l.Prefix).Netip()
	return &l, nil
}

// DecodeOld reads the list as it was kept before there was a journal: one JSON value,
// with the wall clock alone.
func DecodeOld(text []byte, now Clock) (*Table, error) {
	var old struct {
		Bans []Ban `json:"bans"`
	}
	if err := json.Unmarshal(text, &old); err != nil {
		return nil, err
	}
	t := NewTable()
	for i, b := range old.Bans {
		if !b.Prefix.IsValid() || b.Prefix.Bits() == 0 {
			return nil, fmt.Errorf("its ban number %d has no address", i+1)
		}
		b.Prefix = cidr.FromNetip(b.Prefix).Netip()
		if !b.Until.IsZero() {
			b.For = max(b.Until.Sub(b.At), time.Second)
		}
		t.restore(b, end{wall: b.Until}, now, Clock{Wall: now.Wall})
	}
	return t, nil
}

// Replay makes the changes of more lines to a table.
func (t *Table) Replay(text []byte, now Clock) {
	for row := range bytes.Lines(text) {
		l, err := parseLine(row)
		if err != nil {
			continue
		}
		b := l.ban()
		if l.Op == opUnban {
			t.Remove(b)
			continue
		}
		t.restore(b, l.end(), now, now)
	}
}

func (l *line) ban() Ban {
	return Ban{Prefix: l.Prefix, Address: l.Address, At: l.At, Until: l.Until, Reason: l.Reason, For: time.Duration(l.For * float64(time.Second))}
}

func (l *line) end() end { return end{l.Boot, time.Duration(l.Ends) * time.Millisecond, l.Until} }
