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

// AnswerLimit is how long an expected answer may take on a busy machine.
const AnswerLimit = 20 * time.Second

// Client is one socket. It stays in the network namespace in which it was made.
type Client struct {
	t       testing.TB
	conn    net.Conn
	network string
	answers *bufio.Reader
}

// numbers counts up for the parts of requests that must differ.
var numbers atomic.Int64

// Dial makes a client for "udp" or "tcp". from is its own address and port; the kernel
// chooses the port if it is 0, and both for the zero value.
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
	// One read from a UDP socket is one message and has to fit.
	return &Client{t, conn, network, bufio.NewReaderSize(conn, 1<<16)}, nil
}

// MustDial is Dial, but fails the test on an error. Over UDP there is none.
func MustDial(t testing.TB, network string, from, to netip.AddrPort) *Client {
	t.Helper()
	c, err := Dial(t, network, from, to)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Local returns the client's own address.
func (c *Client) Local() netip.AddrPort { return addrPort(c.conn.LocalAddr()) }

// Remote returns the server's address.
func (c *Client) Remote() netip.AddrPort { return addrPort(c.conn.RemoteAddr()) }

func addrPort(a net.Addr) netip.AddrPort { return netip.MustParseAddrPort(a.String()) }

// Request returns a minimal request of this client.
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

// Send sends text unchanged. An error does not fail the test; [Client.Answer] does if
// there is no answer.
func (c *Client) Send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Logf("send from %s to %s: %v", c.Local(), c.Remote(), err)
	}
}

// Answer returns the next answer to a call, or fails the test.
func (c *Client) Answer(callID string) Answer {
	c.t.Helper()
	a, err := c.AnswerIn(callID, AnswerLimit)
	if err != nil {
		c.t.Fatalf("no answer from %s to %s: %v", c.Remote(), c.Local(), err)
	}
	return a
}

// AnswerIn returns the next answer to a call within the limit. It skips answers to
// other calls.
func (c *Client) AnswerIn(callID string, limit time.Duration) (Answer, error) {
	for deadline := time.Now().Add(limit); ; {
		a, err := c.Next(time.Until(deadline))
		if err != nil || a.Header("Call-ID") == callID {
			return a, err
		}
	}
}

// Next returns the next answer to any call within the limit.
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

// Do sends a request and returns the final answer, or fails the test. It acknowledges
// the answer to an INVITE.
func (c *Client) Do(r Request) Answer {
	c.t.Helper()
	c.Send(r.Text())
	for {
		a := c.Answer(r.CallID)
		if a.Status < 200 || a.Header("CSeq") != r.cseq() {
			continue // a repetition of the previous answer
		}
		if r.Method == "INVITE" {
			c.Send(r.ack(a).Text())
		}
		return a
	}
}

// DoAs is Do, and answers one challenge with a password.
func (c *Client) DoAs(r Request, user, password string) Answer {
	c.t.Helper()
	a := c.Do(r)
	if a.Status != 401 && a.Status != 407 {
		return a
	}
	return c.Do(r.Authorized(a, user, password))
}

// Register registers a phone with a password and returns the last answer.
func (c *Client) Register(user, password string) Answer {
	c.t.Helper()
	return c.DoAs(c.Request("REGISTER", user), user, password)
}
