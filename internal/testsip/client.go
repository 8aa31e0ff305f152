// Package testsip is a small SIP client for tests: a phone, a provider or an
// attacker. It sends exactly what it is given, once, and retransmits nothing.
package testsip

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// AnswerLimit is how long an answer that must come may take on a busy machine.
const AnswerLimit = 20 * time.Second

// Client is one socket. It stays in the network namespace in which it was made.
type Client struct {
	t       testing.TB
	conn    net.Conn
	network string
	answers *bufio.Reader
}

// numbers makes what must differ between requests.
var numbers atomic.Int64

// Dial makes a client for "udp" or "tcp". An address without port 0 in from is
// bound to; the zero value leaves it to the kernel.
func Dial(t testing.TB, network string, from, to netip.AddrPort) (*Client, error) {
	t.Helper()
	d := net.Dialer{Timeout: AnswerLimit}
	if from.IsValid() {
		d.LocalAddr = net.UDPAddrFromAddrPort(from)
		if network == "tcp" {
			d.LocalAddr = net.TCPAddrFromAddrPort(from)
		}
	}
	conn, err := d.Dial(network, to.String())
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close() })
	// One read of a UDP socket is one message, and has to have room.
	return &Client{t, conn, network, bufio.NewReaderSize(conn, 1<<16)}, nil
}

// MustDial is Dial for one that must succeed, as it always does over UDP.
func MustDial(t testing.TB, network string, from, to netip.AddrPort) *Client {
	t.Helper()
	c, err := Dial(t, network, from, to)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Local is the client's own address.
func (c *Client) Local() netip.AddrPort { return addrPort(c.conn.LocalAddr()) }

// Remote is the address that it speaks to.
func (c *Client) Remote() netip.AddrPort { return addrPort(c.conn.RemoteAddr()) }

func addrPort(a net.Addr) netip.AddrPort { return netip.MustParseAddrPort(a.String()) }

// Request is a request of this client: the least that a server accepts.
func (c *Client) Request(method, user string) Request {
	n := strconv.FormatInt(numbers.Add(1), 10)
	host := c.Remote().Addr().String()
	if c.Remote().Addr().Is6() {
		host = "[" + host + "]"
	}
	r := Request{
		Line: method + " sip:" + host + " SIP/2.0", Method: method,
		Via:  "SIP/2.0/" + strings.ToUpper(c.network) + " " + c.Local().String() + ";rport;branch=z9hG4bK" + n,
		From: "<sip:" + user + "@" + host + ">;tag=" + n, To: "<sip:" + user + "@" + host + ">",
		CallID: "call" + n, CSeq: 1, uri: "sip:" + host,
	}
	if method != "OPTIONS" {
		r.Headers = []string{"Contact: <sip:" + user + "@" + c.Local().String() + ">"}
	}
	return r
}

// Send sends bytes as they are. A packet that is refused fails only a later call,
// and not the test: that is for [Client.Answer] to tell.
func (c *Client) Send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Logf("send from %s to %s: %v", c.Local(), c.Remote(), err)
	}
}

// Answer is the next answer to a call, which must come.
func (c *Client) Answer(callID string) Answer {
	c.t.Helper()
	a, err := c.AnswerIn(callID, AnswerLimit)
	if err != nil {
		c.t.Fatalf("no answer from %s to %s: %v", c.Remote(), c.Local(), err)
	}
	return a
}

// AnswerIn is the next answer to a call that comes within the limit. Answers to
// other calls are left out.
func (c *Client) AnswerIn(callID string, limit time.Duration) (Answer, error) {
	for deadline := time.Now().Add(limit); ; {
		a, err := c.Next(time.Until(deadline))
		if err != nil || a.Header("Call-ID") == callID {
			return a, err
		}
	}
}

// Next is the next answer that comes within the limit, to whatever call.
func (c *Client) Next(limit time.Duration) (Answer, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return Answer{}, err
	}
	a, err := readAnswer(c.answers)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("none in %v: %w", limit, err)
	}
	return a, err
}

// Do sends a request and returns the final answer, which must come. That to an
// INVITE is acknowledged.
func (c *Client) Do(r Request) Answer {
	c.t.Helper()
	c.Send(r.Text())
	for {
		a := c.Answer(r.CallID)
		if a.Status < 200 || a.Header("CSeq") != r.cseq() {
			continue // the answer before, once more
		}
		if r.Method == "INVITE" {
			c.Send(r.ack(a).Text())
		}
		return a
	}
}

// DoAs is Do, which answers a challenge once with a password.
func (c *Client) DoAs(r Request, user, password string) Answer {
	c.t.Helper()
	a := c.Do(r)
	if a.Status != 401 && a.Status != 407 {
		return a
	}
	return c.Do(r.Authorized(a, user, password))
}

// Register registers a phone by its password and returns the last answer.
func (c *Client) Register(user, password string) Answer {
	c.t.Helper()
	return c.DoAs(c.Request("REGISTER", user), user, password)
}
