package hub

import (
	"bytes"
	"fmt"
	"net"
	"strconv"

	"github.com/voipbl/voipbl/fleet/link"
)

const (
	// maxLine is the most bytes of a line of the hub's: its INFO, with all its addresses, is the longest.
	maxLine = 32 << 10

	// mostToHost is the most bytes of one message to a host, with its headers: a list, compressed. mostToOperator
	// is that to the operator's users, such as a page of all connections.
	mostToHost     = link.MaxCopy + 2*headroom
	mostToOperator = 16 << 20
)

// guard is a connection with a hub that may lie. The client library makes room for as many bytes as a
// message is said to have, whatever that is, and for a line without an end. So each line is looked at
// before the library sees its end, and only such as a server sends are let through.
type guard struct {
	net.Conn
	first []byte // has been read from the connection, and not by the library yet
	most  int    // bytes of a message

	line []byte // its beginning, if its end has not been read
	left int    // bytes of the message that are still to come, with its end
	err  error

	admitted bool // the hub has answered the login
}

// Read reads what the hub sends; an error if it is nothing that a server sends.
func (g *guard) Read(p []byte) (int, error) {
	if len(g.first) > 0 {
		n := copy(p, g.first)
		g.first = g.first[n:]
		return n, nil
	}
	if g.err != nil {
		return 0, g.err
	}
	n, err := g.Conn.Read(p)
	for err == nil && !g.admitted && bytes.HasPrefix(p[:n], ping) && len(g.line)+g.left == 0 {
		n = copy(p, p[len(ping):n])
		if _, err = g.Write(pong); err == nil && n == 0 {
			n, err = g.Conn.Read(p)
		}
	}
	if g.err = g.look(p[:n]); g.err != nil {
		return 0, g.err
	}
	return n, err
}

// A server asks a host that has connected whether it is alive two seconds later, also if it has not got to admitting
// it, as when all hosts come at once. The client library takes that for a wrong answer to its login, and gives up: the hub
// would have to begin again with each of them. So the guard answers until the login is answered.
var ping, pong = []byte("PING\r\n"), []byte("PONG\r\n")

// look looks at what comes next.
func (g *guard) look(b []byte) error {
	for len(b) > 0 {
		if g.left > 0 {
			n := min(g.left, len(b))
			// The library takes all until the next end of a line as that of the message.
			for i := max(0, n-2); i < n; i++ {
				if left := g.left - i; left <= 2 && b[i] != "\n\r"[left-1] {
					return fmt.Errorf("%w: a message has no end", errLies)
				}
			}
			g.left, b = g.left-n, b[n:]
			continue
		}
		end := bytes.IndexByte(b, '\n')
		if n := len(g.line) + max(end, 0); n > maxLine || end < 0 && len(g.line)+len(b) > maxLine {
			return fmt.Errorf("%w: a line has more than %d bytes", errLies, maxLine)
		}
		if end < 0 {
			g.line = append(g.line, b...)
			return nil
		}
		line := b[:end]
		if len(g.line) > 0 {
			line = append(g.line, line...)
			g.line = g.line[:0]
		}
		size, err := g.size(line)
		if err != nil {
			return err
		}
		g.left, b = size, b[end+1:]
	}
	return nil
}

var errLies = fmt.Errorf("the hub sends what no server of a fleet does")

// size returns how many bytes follow a line, without its last byte.
func (g *guard) size(line []byte) (int, error) {
	line, ended := bytes.CutSuffix(line, []byte("\r"))
	word, rest, _ := bytes.Cut(line, []byte(" "))
	numbers := 1
	switch string(word) {
	case "PONG":
		g.admitted = true
		numbers = 0
	case "INFO", "-ERR", "+OK", "PING":
		numbers = 0
	case "HMSG":
		numbers = 2 // the size of the headers, and with them
	case "MSG":
	default:
		ended = false
	}
	if !ended || bytes.IndexByte(rest, '\r') >= 0 {
		return 0, fmt.Errorf("%w: %.40q", errLies, line)
	}
	if numbers == 0 {
		return 0, nil
	}
	// The subject, the number of the subscription, perhaps where to answer, and sizes.
	words := bytes.Split(rest, []byte(" "))
	if n := len(words) - numbers; n != 2 && n != 3 {
		return 0, fmt.Errorf("%w: %.40q", errLies, line)
	}
	size, least := 0, 0
	for _, w := range words[len(words)-numbers:] {
		n, err := strconv.ParseUint(string(w), 10, 31)
		if err != nil || int(n) > g.most || int(n) < least {
			return 0, fmt.Errorf("%w: a message of %.20q bytes, not at most %d", errLies, w, g.most)
		}
		size, least = int(n), int(n)
	}
	return size + len("\r\n"), nil
}
