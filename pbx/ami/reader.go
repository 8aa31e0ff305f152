package ami

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

// Limits of what is kept of a message. The longest line has a Call-ID, which can be as long as a
// packet of SIP; the most lines has the answer to ListCommands, some hundred.
const (
	maxLine    = 64 << 10
	maxMessage = 256 << 10
	maxFields  = 1000
)

// A message is an event, an answer, or what remains of one that a stranger has broken.
type message struct {
	fields []field
	broken bool // it is not as Asterisk writes it
}

type field struct{ key, value string }

// get returns the value of the first field with a key.
func (m message) get(key string) string {
	for _, f := range m.fields {
		if f.key == key {
			return f.value
		}
	}
	return ""
}

// is returns whether the first field of a message is of a kind: "Event" or "Response".
func (m message) is(kind string) bool { return len(m.fields) > 0 && m.fields[0].key == kind }

// secrets begins the events in which Asterisk tells passwords, when it lists its registrations. Nothing
// else of them is kept.
const secrets = "Event: AuthDetail"

// isSecret returns whether a message is what is kept of such an event.
func (m message) isSecret() bool { return m.is("Event") && m.fields[0].value == "AuthDetail" }

// reader reads messages.
type reader struct {
	in   *bufio.Reader
	text []byte // the lines of the message, without their ends
	ends []int  // where each of them ends in text
}

func newReader(in io.Reader) *reader { return &reader{in: bufio.NewReaderSize(in, maxLine)} }

// next reads until the end of a message: an empty line, which ends in CR LF as all others do. The
// line feeds of strangers end nothing. What is not as Asterisk writes it makes the whole message
// broken: a line without CR, without a colon, or too long; a key that comes twice. An error is
// that of the connection.
func (r *reader) next() (message, error) {
	r.text, r.ends = r.text[:0], r.ends[:0]
	broken := false
	for {
		line, err := r.in.ReadSlice('\n')
		long := false
		for errors.Is(err, bufio.ErrBufferFull) {
			long = true
			line, err = r.in.ReadSlice('\n')
		}
		if err != nil {
			return message{}, err
		}
		text, whole := bytes.CutSuffix(line, []byte("\r\n"))
		end := whole && !long && len(text) == 0
		switch {
		case end && (broken || len(r.ends) > 0):
			return r.message(broken), nil
		case end: // there is nothing before it
		case !whole || long || len(r.ends) == maxFields || len(r.text)+len(text) > maxMessage:
			broken = true
		case len(r.ends) == 1 && string(r.text) == secrets:
			clear(line)
		default:
			r.text = append(r.text, text...)
			r.ends = append(r.ends, len(r.text))
		}
	}
}

// message returns the lines that were read as fields.
func (r *reader) message(broken bool) message {
	m := message{make([]field, 0, len(r.ends)), broken}
	text, from := string(r.text), 0
	seen := make(map[string]bool, len(r.ends))
	for _, end := range r.ends {
		key, value, ok := strings.Cut(text[from:end], ": ")
		m.fields = append(m.fields, field{key, value})
		m.broken = m.broken || !ok || key == "" || seen[key]
		seen[key] = true
		from = end
	}
	return m
}
