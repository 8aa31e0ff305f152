package testnats

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nkeys"
)

// Leaf is a connection that speaks the protocol of leaf nodes, and holds itself to nothing: what somebody can do who
// has the credential of a relay.
type Leaf struct {
	conn net.Conn
	out  sync.Mutex

	mu    sync.Mutex
	subs  []string      // what the server wants to hear
	heard []LeafMessage // what it has sent
	pongs chan struct{}
	ended chan struct{}
}

// LeafMessage is a message that a leaf has got.
type LeafMessage struct{ Subject, Text string }

// DialLeaf connects with a server's port for leaf nodes, as a server of that name, in one write with what begins.
func DialLeaf(t testing.TB, address, authority, token, seed, name, begins string) (*Leaf, error) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, limit)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(2 * limit)) // of a TCP connection: cannot fail
	// The first line is sent before TLS begins.
	var first []byte
	for one := make([]byte, 1); len(first) == 0 || first[len(first)-1] != '\n'; first = append(first, one[0]) {
		if _, err := io.ReadFull(conn, one); err != nil {
			return nil, err
		}
	}
	var info struct{ Nonce string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(string(first), "INFO ")), &info); err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(authority))
	secure := tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12})
	pair, err := nkeys.FromSeed([]byte(seed))
	if err != nil {
		return nil, err
	}
	signed, err := pair.Sign([]byte(info.Nonce))
	if err != nil {
		return nil, err
	}
	connect, err := json.Marshal(map[string]any{
		"jwt": token, "sig": base64.RawURLEncoding.EncodeToString(signed), "tls_required": true, "headers": true,
		"name": name, "cluster": name, "server_id": name, "remote_account": "any",
	})
	if err != nil {
		return nil, err
	}
	l := &Leaf{conn: secure, pongs: make(chan struct{}, 1000), ended: make(chan struct{})}
	go l.read()
	if err := l.Send("CONNECT %s\r\n%s", connect, begins); err != nil {
		return nil, err
	}
	return l, l.Sync()
}

// Close ends the connection.
func (l *Leaf) Close() { _ = l.conn.Close() }

// Send writes lines of the protocol.
func (l *Leaf) Send(format string, args ...any) error {
	l.out.Lock()
	defer l.out.Unlock()
	_, err := fmt.Fprintf(l.conn, format, args...)
	return err
}

// Publish sends a message; reply may be "".
func (l *Leaf) Publish(subject, reply, text string) {
	_ = l.Send("%s", LeafText(subject, reply, text)) // the connection may be closed already
}

// LeafText is a message as it is sent.
func LeafText(subject, reply, text string) string {
	if reply != "" {
		subject += " " + reply
	}
	return fmt.Sprintf("LMSG %s %d\r\n%s\r\n", subject, len(text), text)
}

// Subscribe says that it wants to hear a subject.
func (l *Leaf) Subscribe(subject string) { _ = l.Send("LS+ %s\r\n", subject) }

// Sync returns when the server has read all that was sent.
func (l *Leaf) Sync() error {
	if err := l.Send("PING\r\n"); err != nil {
		return err
	}
	select {
	case <-l.pongs:
		return nil
	case <-l.ended:
		return io.EOF
	}
}

// Subscribed are the subjects that the server wants to hear.
func (l *Leaf) Subscribed() []string { l.mu.Lock(); defer l.mu.Unlock(); return slices.Clone(l.subs) }

// Heard are the messages that it has got.
func (l *Leaf) Heard() []LeafMessage { l.mu.Lock(); defer l.mu.Unlock(); return slices.Clone(l.heard) }

// read reads what the server sends, until that ends.
func (l *Leaf) read() {
	defer close(l.ended)
	for r := bufio.NewReader(l.conn); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		switch words[0] {
		case "PING":
			_ = l.Send("PONG\r\n")
		case "PONG":
			l.pongs <- struct{}{}
		case "LS+":
			l.mu.Lock()
			l.subs = append(l.subs, words[1])
			l.mu.Unlock()
		case "LMSG", "HMSG":
			n, err := strconv.Atoi(words[len(words)-1])
			text := make([]byte, n+len("\r\n"))
			if _, short := io.ReadFull(r, text); err != nil || short != nil {
				return
			}
			l.mu.Lock()
			l.heard = append(l.heard, LeafMessage{words[1], string(text[:n])})
			l.mu.Unlock()
		}
	}
}
