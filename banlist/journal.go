package banlist

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/voipbl/voipbl/cidr"
)

// line is a line of the journal. Its fields are separated by blanks and its times are
// numbers, which are read ten times as fast as JSON:
//
//	ban PREFIX ADDRESS AT FOR UNTIL ENDS BOOT UP WALL SUM "REASON" "EVIDENCE"
//
// EVIDENCE is there only if there is some.
//
// Each line has the clocks of its time, so that it can be read after a boot and after
// the wall clock was set. SUM is a checksum of the rest of the line: a digit changed by
// a bad disk would be another address. A person who writes a line by hand may leave it
// out.
type line struct {
	op              string // opBan or opUnban
	prefix, address netip.Prefix
	reason          string
	evidence        string

	// For opBan: when the ban was made, for how many milliseconds, and when it ends by
	// the wall clock (Unix milliseconds) and in milliseconds since the boot.
	at, last, until, ends int64

	// When the line was written: the boot, milliseconds since then, and the wall clock.
	boot     string
	up, wall int64
}

const (
	opBan   = "ban"
	opUnban = "unban"
)

// AppendBan appends to b the line that adds a ban.
func AppendBan(b []byte, ban Ban, now Clock) []byte {
	l := newLine(opBan, ban, now)
	l.at, l.last, l.evidence = ban.At.UnixMilli(), ban.For.Milliseconds(), ban.Evidence
	if ban.For != 0 {
		l.ends, l.until = ban.Ends.Milliseconds(), now.Wall.Add(ban.Ends-now.Up).UnixMilli()
	}
	return l.append(b)
}

// AppendUnban appends to b the line that removes a ban.
func AppendUnban(b []byte, ban Ban, now Clock) []byte { return newLine(opUnban, ban, now).append(b) }

func newLine(op string, ban Ban, now Clock) *line {
	return &line{
		op: op, prefix: ban.Prefix, address: ban.Address, reason: ban.Reason,
		boot: now.Boot, up: now.Up.Milliseconds(), wall: now.Wall.UnixMilli(),
	}
}

// none stands for an empty field.
const none = "-"

// sumOf returns the checksum of the parts of a line before and after SUM.
func sumOf(before, behind []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE(before), crc32.IEEETable, behind)
}

func (l *line) append(b []byte) []byte {
	start := len(b)
	b = append(append(b, l.op...), ' ')
	b = append(l.prefix.AppendTo(b), ' ')
	if l.address.IsValid() {
		b = l.address.AppendTo(b)
	} else {
		b = append(b, none...)
	}
	for _, n := range []int64{l.at, l.last, l.until, l.ends} {
		b = strconv.AppendInt(append(b, ' '), n, 10)
	}
	boot := l.boot
	if boot == "" {
		boot = none
	}
	b = append(append(b, ' '), boot...)
	for _, n := range []int64{l.up, l.wall} {
		b = strconv.AppendInt(append(b, ' '), n, 10)
	}
	b = append(b, ' ')
	texts := strconv.AppendQuote(nil, l.reason)
	if l.evidence != "" {
		texts = strconv.AppendQuote(append(texts, ' '), l.evidence)
	}
	b = fmt.Appendf(b, "%08x ", sumOf(b[start:], texts))
	return append(append(b, texts...), '\n')
}

// Encode returns a new journal with only the current bans, and those that are gone.
func (t *Table) Encode(now Clock) []byte {
	var b []byte
	for p := range t.gone {
		b = AppendUnban(b, Ban{Prefix: p.Netip()}, now)
	}
	for e := range t.entries() {
		if !e.over(now) {
			b = AppendBan(b, e.ban(), now)
		}
	}
	return b
}

// Journal is the result of reading a journal.
type Journal struct {
	Table   *Table
	Lines   int   // valid lines
	Size    int64 // of the complete lines
	Cut     bool  // the last line is incomplete
	Damaged []int // numbers of invalid lines, from 1

	// Last is when the last line was written; zero if there is none.
	Last Clock
}

// Decode reads a journal. Bans that are over at now are not in the table.
func Decode(text []byte, now Clock) *Journal {
	size := bytes.LastIndexByte(text, '\n') + 1
	j := &Journal{Size: int64(size), Cut: size < len(text)}
	text = text[:size]
	j.Table = newTable(min(bytes.Count(text, []byte{'\n'}), Most))
	j.Last = lastClock(text)
	number := 0
	for row := range bytes.Lines(text) { // in order, because a full list evicts bans
		number++
		l, err := parseLine(row)
		if err != nil {
			j.Damaged = append(j.Damaged, number)
			continue
		}
		j.Lines++
		j.Table.apply(l, now, j.Last)
	}
	return j
}

// lastClock returns when the last valid line was written.
func lastClock(text []byte) Clock {
	for len(text) > 0 {
		begin := bytes.LastIndexByte(text[:len(text)-1], '\n') + 1
		if l, err := parseLine(text[begin:]); err == nil {
			return l.clock()
		}
		text = text[:begin]
	}
	return Clock{}
}

// restore adds a ban from the journal, unless it is over.
func (t *Table) restore(b Ban, e Clock, now, last Clock) {
	if b.For != 0 {
		left := e.Left(now, last, b.For)
		if left <= 0 {
			t.gone[cidr.FromNetip(b.Prefix)] = true
			return
		}
		b.Ends = now.Up + left
	}
	t.Add(b)
}

var errSum = errors.New("it is not as it was written")

func parseLine(row []byte) (*line, error) {
	row = bytes.TrimSuffix(row, []byte{'\n'})
	rest := string(row)
	next := func() (field string) {
		field, rest, _ = strings.Cut(rest, " ")
		return field
	}
	var l line
	var first error // the first error of the fields
	note := func(err error) {
		if first == nil {
			first = err
		}
	}
	prefix := func() netip.Prefix {
		p, err := netip.ParsePrefix(next())
		note(err)
		return p
	}
	number := func() int64 {
		n, err := strconv.ParseInt(next(), 10, 64)
		note(err)
		return n
	}
	l.op, l.prefix = next(), prefix()
	if strings.HasPrefix(rest, none+" ") {
		next()
	} else {
		l.address = prefix()
	}
	l.at, l.last, l.until, l.ends = number(), number(), number(), number()
	if l.boot = next(); l.boot == none {
		l.boot = ""
	}
	l.up, l.wall = number(), number()
	if !strings.HasPrefix(rest, `"`) {
		before := len(row) - len(rest)
		sum, err := strconv.ParseUint(next(), 16, 32)
		note(err)
		if sumOf(row[:before], []byte(rest)) != uint32(sum) {
			note(errSum)
		}
	}
	reason, err := strconv.QuotedPrefix(rest)
	note(err)
	if evidence, some := strings.CutPrefix(rest[len(reason):], " "); some {
		l.evidence, err = strconv.Unquote(evidence)
		note(err)
	} else if len(reason) < len(rest) {
		note(strconv.ErrSyntax)
	}
	l.reason, err = strconv.Unquote(reason)
	note(err)
	switch {
	case first != nil:
		return nil, first
	case l.op != opBan && l.op != opUnban:
		return nil, fmt.Errorf("unknown operation %q", l.op)
	case l.prefix.Bits() == 0:
		return nil, fmt.Errorf("all addresses")
	case l.last < 0 || l.up < 0 || l.ends < 0:
		return nil, fmt.Errorf("a time below zero")
	}
	l.prefix = cidr.FromNetip(l.prefix).Netip()
	return &l, nil
}

func (l *line) clock() Clock {
	return Clock{Boot: l.boot, Up: time.Duration(l.up) * time.Millisecond, Wall: time.UnixMilli(l.wall).UTC()}
}

func (l *line) ban() Ban {
	b := Ban{Prefix: l.prefix, Address: l.address, At: time.UnixMilli(l.at).UTC(), Reason: l.reason, Evidence: strings.Clone(l.evidence), For: time.Duration(l.last) * time.Millisecond}
	if l.last != 0 {
		b.Until = time.UnixMilli(l.until).UTC().Truncate(time.Second)
	}
	return b
}

// Replay applies further lines of the journal to a table.
func (t *Table) Replay(text []byte, now Clock) {
	for row := range bytes.Lines(text) {
		l, err := parseLine(row)
		if err != nil {
			continue
		}
		t.apply(l, now, now)
	}
}

// apply applies a line of the journal.
func (t *Table) apply(l *line, now, last Clock) {
	b := l.ban()
	t.Remove(b)
	if l.op == opUnban {
		t.gone[cidr.FromNetip(b.Prefix)] = true
	} else {
		t.restore(b, Clock{Boot: l.boot, Up: time.Duration(l.ends) * time.Millisecond, Wall: time.UnixMilli(l.until)}, now, last)
	}
}
