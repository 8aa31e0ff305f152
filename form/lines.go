package form

import (
	"bytes"
	"errors"
	"fmt"
)

// errStopped ends the work for a reader that wants no more lines.
var errStopped = errors.New("stopped")

// chunk is how much is handed on together, in bytes.
const chunk = 32 << 10

// maxShown is how much of a text that is no entry is shown, in bytes. No entry is longer.
const maxShown = 100

// lines collects lines, and hands them on in chunks.
type lines struct {
	yield   func([]byte, error) bool
	buf     []byte
	stopped bool
}

// entry writes the line of an entry. Text that has other characters than an address, a prefix
// or a range could be read as something else, a comment or two entries: it is refused.
func (l *lines) entry(text []byte, record int) {
	text = bytes.Trim(text, " \t")
	odd := len(text) == 0 || len(text) > maxShown
	for i := 0; i < len(text) && !odd; i++ {
		odd = !inEntry[text[i]]
	}
	if odd {
		l.refused("record %d: %q", record, text[:min(len(text), maxShown)])
		return
	}
	l.buf = append(append(l.buf, text...), '\n')
	if len(l.buf) >= chunk {
		l.flush()
	}
}

// inEntry are the characters of addresses, prefixes and ranges.
var inEntry = func() (in [256]bool) {
	for _, c := range []byte("0123456789abcdefABCDEF.:/-") {
		in[c] = true
	}
	return in
}()

// refused writes a line that is no entry, and says why.
func (l *lines) refused(format string, args ...any) {
	l.buf = append(fmt.Appendf(l.buf, format, args...), '\n')
	if len(l.buf) >= chunk {
		l.flush()
	}
}

func (l *lines) flush() {
	if len(l.buf) > 0 && !l.stopped {
		l.stopped = !l.yield(l.buf, nil)
	}
	l.buf = l.buf[:0]
}

// end hands on what is left, and the error that ended the work, if any.
func (l *lines) end(err error) {
	l.flush()
	if err != nil && !l.stopped {
		l.stopped = !l.yield(nil, err)
	}
}
