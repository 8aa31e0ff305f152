package cidr

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
)

const (
	// maxLine is the longest line that is read; real lines are shorter than 100 bytes.
	// Together with the buffer size it limits memory, whatever a feed holds.
	maxLine = 4096

	// BufferSize is the size of the buffer for reading, in bytes. A [bufio.Reader] of at
	// least this size is read as it is, without another one.
	BufferSize = 32 << 10
)

// Scanner reads a feed line by line. It stops at every line that is an entry or looks
// meant as one, and skips blank lines and comments:
//
//	sc := cidr.NewScanner(r)
//	for sc.Scan() {
//		if sc.Reason() != cidr.Accepted { … }
//		for _, p := range sc.Prefixes() { … }
//	}
//	if err := sc.Err(); err != nil { … }
//
// An entry is an address, a prefix (host bits may be set) or a range a-b. It may stand
// alone, in the first column of CSV or of space-separated text, in quotes, or in an
// "add NAME ENTRY" line of ipset save. Two columns may hold it: the ends of a range, or
// an address and its mask or /length. A line whose columns contradict each other, or
// that names another address, is refused, never cut down to its first address. "#", ";"
// and "//" begin a comment, also after an entry. Lines end in LF or CRLF. A byte order
// mark is skipped. No line allocates memory.
type Scanner struct {
	r        *bufio.Reader
	line     int
	text     []byte
	reason   Reason
	prefixes []Prefix // of the entry; empty if the line is refused
	declared int
	err      error
}

// NewScanner returns a Scanner on r.
func NewScanner(r io.Reader) *Scanner {
	return &Scanner{r: bufio.NewReaderSize(r, BufferSize), declared: NoTotal}
}

// Scan moves to the next entry or refused line. It returns false at the end or on a
// read error.
func (s *Scanner) Scan() bool {
	if s.scanPlain() {
		return true
	}
	for {
		line, long, err := s.readLine()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				s.err = err
			}
			return false
		}
		s.line++
		s.text, s.prefixes = line, s.prefixes[:0]
		if s.line == 1 {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		line = trimSpace(line)
		switch {
		case bytes.IndexByte(line, '\r') >= 0:
			s.reason = LineEnds // in comments, too: the rest of the file may be in one
			return true
		case len(line) > 0 && isNote(line):
			s.noteTotal(line)
			continue
		case long:
			s.reason = LineTooLong
			return true
		case len(line) == 0:
			continue
		}
		s.parse(line)
		return true
	}
}

// scanPlain scans the next line if it is in the buffer and is an IPv4 address or prefix and
// nothing else, as nearly all lines are. It only saves time: Scan gives the same result.
func (s *Scanner) scanPlain() bool {
	buffered, _ := s.r.Peek(s.r.Buffered())
	p, n, ok := cutPlain4(buffered)
	if !ok {
		return false
	}
	s.r.Discard(n)
	s.line++
	s.text, s.reason, s.prefixes = buffered[:n-1], Accepted, append(s.prefixes[:0], p)
	return true
}

// parse reads the entry of a line; space around it is already cut off.
func (s *Scanner) parse(line []byte) {
	if p, ok := parsePlain4(line); ok {
		s.reason, s.prefixes = Accepted, append(s.prefixes, p)
		return
	}
	var entry span
	if entry, s.reason = parseLine(line); s.reason == Accepted {
		s.prefixes = entry.appendPrefixes(s.prefixes)
	}
}

// readLine returns the next line without its line end. Of a line longer than maxLine it
// returns the beginning and skips the rest.
func (s *Scanner) readLine() (line []byte, long bool, err error) {
	line, err = s.r.ReadSlice('\n')
	switch {
	case err == nil:
		line = line[:len(line)-1]
	case errors.Is(err, io.EOF) && len(line) > 0: // no newline at the end
	case errors.Is(err, bufio.ErrBufferFull):
		head := append([]byte(nil), line[:maxLine]...)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = s.r.ReadSlice('\n')
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, false, err
		}
		return head, true, nil
	default:
		return nil, false, err
	}
	if len(line) > maxLine {
		return line[:maxLine], true, nil
	}
	return line, false, nil
}

// Values of Declared other than a number.
const (
	NoTotal  = -1 // the list declares no total
	BadTotal = -2 // the total is not a number, or the list declares two
)

// noteTotal keeps the number of VoIPBL's line "# TOTAL NETBLOCK: N".
func (s *Scanner) noteTotal(line []byte) {
	rest, ok := bytes.CutPrefix(line, []byte("# TOTAL NETBLOCK:"))
	if !ok {
		return
	}
	n, err := strconv.Atoi(string(trimSpace(rest)))
	if err != nil || n < 0 || s.declared != NoTotal && s.declared != n {
		n = BadTotal
	}
	s.declared = n
}

// Line returns the number of the current line, from 1.
func (s *Scanner) Line() int { return s.line }

// Text returns the current line unchanged, at most 4096 bytes of it. It is valid until
// the next Scan.
func (s *Scanner) Text() []byte { return bytes.TrimSuffix(s.text, []byte{'\r'}) }

// Reason returns Accepted if the line is an entry, otherwise why it was refused.
func (s *Scanner) Reason() Reason { return s.reason }

// Prefixes returns the prefixes of the entry: one, or several for a range. The slice is
// valid until the next Scan.
func (s *Scanner) Prefixes() []Prefix { return s.prefixes }

// Declared returns the N of "# TOTAL NETBLOCK: N" in the lines read so far, NoTotal or
// BadTotal.
func (s *Scanner) Declared() int { return s.declared }

// Err returns the error that ended the scan, nil at the end of the text.
func (s *Scanner) Err() error { return s.err }
