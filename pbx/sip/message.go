// Package sip reads the parts of SIP messages (RFC 3261) that tell who asks a PBX for what, with
// which credentials, and what the PBX answers. It only looks: it sends nothing, and keeps no state.
//
// It reads messages of attackers, as a PBX does that answers them. So it accepts every spelling
// that Asterisk and Kamailio accept (blanks and tabs, line feeds alone, short header names, folded
// lines, methods in lower case): a stricter reader would not see an attacker whom the PBX answers.
// One header that it cannot read does not make the rest unreadable. It reads at most [MaxHead] bytes,
// in one pass.
package sip

import (
	"errors"
	"strconv"
	"strings"
)

// MaxHead is the most bytes of a message that are read; those behind are taken for its body. A
// datagram has no more.
const MaxHead = 64 << 10

// Message is what a message says of itself. All of it can be invented by whoever has written it.
type Message struct {
	Method string // of a request, in upper case; "" for a response
	Status int    // of a response, 100 to 699; 0 for a request

	URI        Address // of a request: whom it is for
	From, To   Address
	CallID     string
	CSeq       string // the number as it is written
	CSeqMethod string // in upper case
	Agent      string // User-Agent of a request, Server of a response

	Contacts    []Contact
	Expires     int // seconds of the header Expires; -1 without one
	Credentials []Digest
	Challenges  []Digest // of a response, after the headers that it repeats of the request

	// Repeated says that From, To, Call-ID or CSeq is there twice. A PBX copies them from the request
	// to its response, so in that it means that a stranger has broken a line.
	Repeated bool
}

// Address is a SIP URI without its parameters.
type Address struct {
	User string // without password; percent-encoding stays
	Host string // with the port
}

// Contact is where somebody can be reached.
type Contact struct {
	Address
	All     bool // it is "*": all contacts of the account
	Expires int  // seconds of its parameter expires; -1 without one
}

// Digest is an answer to a challenge, or a challenge.
type Digest struct {
	Username, Realm, Nonce string
	Response               string // of an answer: the sum of the password and the rest
	Stale                  bool   // of a challenge: the password was right, and the nonce too old
}

// ErrNotSIP is the error of [Read].
var ErrNotSIP = errors.New("the first line is neither a SIP request nor a response")

// Read reads a message. Its strings are parts of one copy of the message: clone what is kept.
func Read(b []byte) (Message, error) {
	s := string(b[:min(len(b), MaxHead)])
	s = strings.TrimLeft(s, " \t\r\n")
	m := Message{Expires: -1}
	l := lines{rest: s, cr: true}
	first := l.next()
	if err := m.first(first); err != nil {
		return Message{}, err
	}
	if m.Status != 0 {
		// A PBX ends its own lines with CR LF. What stands between a CR and the next LF is one line.
		l = lines{rest: s}
		l.next()
	}
	var had headers
	for {
		line := l.next()
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			if line == "" {
				return m, nil
			}
			continue
		}
		m.header(&had, strings.TrimSpace(name), strings.TrimSpace(value))
	}
}

// first reads the first line.
func (m *Message) first(line string) error {
	word, rest := cutBlank(line)
	if hasPrefixFold(word, "SIP/") {
		code, _ := cutBlank(rest)
		status, err := strconv.Atoi(code)
		if err != nil || status < 100 || status > 699 || len(code) != 3 {
			return ErrNotSIP
		}
		m.Status = status
		return nil
	}
	uri, version := cutBlank(rest)
	if word == "" || strings.ContainsAny(word, ":\x00") || !hasPrefixFold(version, "SIP") {
		return ErrNotSIP
	}
	m.Method = strings.ToUpper(word)
	m.URI = address(uri)
	return nil
}

// headers says which headers were there.
type headers struct{ from, to, callID, cseq bool }

// again sets a mark, and returns whether it was set.
func again(had *bool) bool {
	was := *had
	*had = true
	return was
}

// header takes a header over. Of those that there may be once, the first one counts.
func (m *Message) header(had *headers, name, value string) {
	switch strings.ToLower(name[:min(len(name), 20)]) {
	case "via", "v":
		m.echoed()
	case "from", "f":
		m.echoed()
		if again(&had.from) {
			m.Repeated = true
			return
		}
		m.From = addressIn(value)
	case "to", "t":
		m.echoed()
		if again(&had.to) {
			m.Repeated = true
			return
		}
		m.To = addressIn(value)
	case "call-id", "i":
		m.echoed()
		if again(&had.callID) {
			m.Repeated = true
			return
		}
		m.CallID = value
	case "cseq":
		m.echoed()
		if again(&had.cseq) {
			m.Repeated = true
			return
		}
		number, method := cutBlank(value)
		m.CSeq, m.CSeqMethod = number, strings.ToUpper(method)
	case "record-route", "timestamp":
		m.echoed()
	case "contact", "m":
		m.contacts(value)
	case "expires":
		m.Expires = seconds(value)
	case "user-agent", "server":
		m.Agent = value
	case "authorization", "proxy-authorization":
		if len(m.Credentials) < maxDigests {
			m.Credentials = append(m.Credentials, digest(value))
		}
	case "www-authenticate", "proxy-authenticate":
		if m.Status != 0 && len(m.Challenges) < maxDigests {
			m.Challenges = append(m.Challenges, digest(value))
		}
	}
}

// Limits of what one message may have.
const (
	maxDigests  = 1 << 10 // as many as fit: a PBX looks at all of them
	maxContacts = 32
)

// echoed is called for each header that a PBX copies from the request to the response. It writes
// its own challenge below them, so a challenge above one was broken out of a header by a stranger,
// who knows its nonce without having received it.
func (m *Message) echoed() { m.Challenges = m.Challenges[:0] }

func (m *Message) contacts(list string) {
	for list != "" && len(m.Contacts) < maxContacts {
		var one string
		one, list = cutList(list)
		if one == "" {
			continue
		}
		m.Contacts = append(m.Contacts, Contact{
			Address: addressIn(one),
			All:     one == "*",
			Expires: seconds(parameter(one, "expires")),
		})
	}
}

// seconds reads a number of seconds, and returns -1 if it is none. A larger one than a year is one
// year.
func seconds(s string) int {
	const year = 366 * 24 * 60 * 60
	s = strings.TrimSpace(s)
	if s == "" {
		return -1
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return -1
		}
	}
	n, err := strconv.Atoi(s)
	if err != nil || n > year {
		return year
	}
	return n
}
