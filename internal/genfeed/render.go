package genfeed

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"strconv"
)

const bufferSize = 64 << 10

// A renderer spells entries as lines and counts what it wrote.
type renderer struct {
	spec  Spec
	rng   *rand.Rand
	eol   *quota // 0: \n, 1: \r\n
	line  []byte
	truth Truth
}

// What the next line of the body is.
const (
	anEntry = iota
	aComment
	aBlank
)

func (r *renderer) render(w io.Writer, entries []entry) error {
	out := bufio.NewWriterSize(w, bufferSize)
	header := r.header()
	body := newQuota(aBlank + 1)
	body.add(anEntry, len(entries))
	body.add(aComment, r.spec.dirty(Comment))
	body.add(aBlank, r.spec.dirty(Blank))

	r.truth.Physical = len(header) + body.total
	r.truth.Comments = len(header)
	r.eol = newQuota(2)
	r.eol.add(1, min(r.truth.Physical, r.spec.dirty(CRLF)))
	if r.spec.Dirt[CRLF] == 1 {
		r.eol.add(1, r.truth.Physical-r.eol.total)
	}
	r.eol.add(0, r.truth.Physical-r.eol.total)
	if r.spec.Dirt[BOM] > 0 {
		out.WriteString("\ufeff")
		r.truth.Dirty[BOM] = 1
	}
	for _, h := range header {
		r.line = append(r.line[:0], h...)
		r.end(out)
	}
	for body.total > 0 {
		r.line = r.line[:0]
		switch body.draw(r.rng) {
		case aComment:
			r.line = append(r.pick("# ", ";", "// ", "  #"), "1,024 hosts seen since 2026-01-02"...)
			r.truth.Comments++
			r.truth.Dirty[Comment]++
		case aBlank:
			r.line = r.pick("", "", " ", "\t")
			r.truth.Blanks++
			r.truth.Dirty[Blank]++
		default:
			r.spell(entries[0])
			r.count(entries[0])
			entries = entries[1:]
		}
		r.end(out)
	}
	return out.Flush()
}

// header returns a header like VoIPBL's: comments, the last with the number of lines that
// follow.
func (r *renderer) header() []string {
	if r.spec.NoHeader {
		return nil
	}
	return []string{
		"# Made by genfeed for tests: random addresses that are known for nothing.",
		fmt.Sprintf("# Family: %d, seed: %d", r.spec.Family, r.spec.Seed),
		fmt.Sprintf("# TOTAL NETBLOCK: %d", r.spec.Lines+r.spec.Miscount),
	}
}

// end writes the line. out keeps an error until Flush.
func (r *renderer) end(out *bufio.Writer) {
	if r.eol.draw(r.rng) == 1 {
		r.line = append(r.line, '\r')
		r.truth.Dirty[CRLF]++
	}
	out.Write(append(r.line, '\n'))
}

// spell appends the entry in the form of its kind.
func (r *renderer) spell(e entry) {
	switch e.kind {
	case Bare:
		r.addr(e)
	case HostBits:
		host := 1 + r.rng.Uint64N(1<<min(8, 128-e.bits)-1)
		e.lo |= host
		r.prefix(e)
	case Range:
		r.addr(e)
		room := 255 - e.lo&0xff
		e.lo += 1 + r.rng.Uint64N(min(room, 63))
		r.line = append(r.line, '-')
		r.addr(e)
	case IpsetSave:
		r.line = append(r.line, "add voip_bl"...)
		if !e.is4() {
			r.line = append(r.line, '6')
		}
		r.line = append(r.line, ' ')
		if e.bits == 128 {
			r.addr(e)
		} else {
			r.prefix(e)
		}
		r.line = append(r.line, r.pick("", " timeout 0", " packets 3 bytes 1284", ` comment "sip scan"`)...)
	case CSV:
		r.prefix(e)
		r.line = append(r.line, r.pick(",2026-01-02,sip scan", ",,7", ", 5060, udp")...)
	case Columns:
		r.prefix(e)
		r.line = append(r.line, r.pick(" 17 NL", "\t2026-01-02\t17", "  5060 udp")...)
	case Remark:
		r.prefix(e)
		r.line = append(r.line, r.pick(" # seen 12 times", "#sip", " ; SBL1234", ";sip", " // toll fraud")...)
	case Mapped:
		a := r.bytes(e)
		r.line = netip.AddrFrom16(a).AppendTo(r.line)
		if e.bits < 128 || r.rng.Uint64()&1 == 0 {
			r.line = strconv.AppendUint(append(r.line, '/'), uint64(e.bits), 10)
		}
	case Garbage:
		r.garbage(e)
	default:
		r.prefix(e)
	}
}

// prefix appends address/length, always with the length.
func (r *renderer) prefix(e entry) {
	r.addr(e)
	bits := uint64(e.bits)
	if e.is4() {
		bits -= v4Bits
	}
	r.line = strconv.AppendUint(append(r.line, '/'), bits, 10)
}

func (r *renderer) addr(e entry) {
	if !e.is4() {
		r.line = netip.AddrFrom16(r.bytes(e)).AppendTo(r.line)
		return
	}
	for shift := 24; shift >= 0; shift -= 8 {
		r.line = strconv.AppendUint(r.line, e.lo>>shift&0xff, 10)
		if shift > 0 {
			r.line = append(r.line, '.')
		}
	}
}

func (r *renderer) bytes(e entry) (a [16]byte) {
	binary.BigEndian.PutUint64(a[:8], e.hi)
	binary.BigEndian.PutUint64(a[8:], e.lo)
	return a
}

func (r *renderer) pick(texts ...string) []byte {
	return append([]byte(nil), texts[r.rng.IntN(len(texts))]...)
}

func (r *renderer) count(e entry) {
	t := &r.truth
	t.Lines++
	if k := e.kind; k < kinds && k != plain {
		t.Dirty[k]++
	}
	if e.kind == Garbage {
		t.Rejects++
		return
	}
	t.Entries++
	if e.is4() {
		t.IPv4++
	} else {
		t.IPv6++
	}
	if e.kind == Duplicate {
		t.Duplicates++
	}
	if e.wide() {
		t.Wide++
	} else if e.special() {
		t.Bogons++
	}
}
