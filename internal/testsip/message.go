package testsip

import (
	"bufio"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// Request is a SIP request. Each part can be changed before it is sent.
type Request struct {
	Line    string // the first
	Method  string
	Via     string
	From    string
	To      string
	CallID  string
	CSeq    int
	Headers []string // "Name: value"
	Body    string   // of SDP

	uri string // of the digest
}

// Text returns the bytes to send.
func (r Request) Text() string {
	lines := []string{
		r.Line, "Via: " + r.Via, "Max-Forwards: 70", "From: " + r.From, "To: " + r.To,
		"Call-ID: " + r.CallID, "CSeq: " + r.cseq(),
	}
	lines = append(lines, r.Headers...)
	if r.Body != "" {
		lines = append(lines, "Content-Type: application/sdp")
	}
	lines = append(lines, fmt.Sprintf("Content-Length: %d", len(r.Body)), "", r.Body)
	return strings.Join(lines, "\r\n")
}

func (r Request) cseq() string { return fmt.Sprint(r.CSeq, " ", r.Method) }

// ack returns the ACK for the answer to an INVITE.
func (r Request) ack(a Answer) Request {
	r.Line = "ACK" + strings.TrimPrefix(r.Line, r.Method)
	r.Method, r.To, r.Headers, r.Body = "ACK", a.Header("To"), nil, ""
	return r
}

// Authorized returns the request with the answer to a challenge, to be sent again.
func (r Request) Authorized(challenge Answer, user, password string) Request {
	name, header := "Authorization", challenge.Header("WWW-Authenticate")
	if challenge.Status == 407 {
		name, header = "Proxy-Authorization", challenge.Header("Proxy-Authenticate")
	}
	r.CSeq++
	r.Via += strconv.Itoa(r.CSeq) // changes the branch: this is a new transaction
	realm, nonce := parameter(header, "realm"), parameter(header, "nonce")
	const nc, cnonce = "00000001", "testsip"
	response := sum(sum(user, realm, password), nonce, nc, cnonce, "auth", sum(r.Method, r.uri))
	authorization := fmt.Sprintf(
		`%s: Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s", algorithm=MD5, qop=auth, nc=%s, cnonce="%s"`,
		name, user, realm, nonce, r.uri, response, nc, cnonce)
	if opaque := parameter(header, "opaque"); opaque != "" {
		authorization += fmt.Sprintf(`, opaque="%s"`, opaque)
	}
	r.Headers = append([]string{authorization}, r.Headers...)
	return r
}

// sum returns the MD5 of values joined by colons (RFC 2617).
func sum(values ...string) string {
	s := md5.Sum([]byte(strings.Join(values, ":")))
	return hex.EncodeToString(s[:])
}

func parameter(header, name string) string {
	m := regexp.MustCompile(`\b` + name + `="([^"]*)"`).FindStringSubmatch(header)
	if m == nil {
		return ""
	}
	return m[1]
}

// Answer is a SIP response.
type Answer struct {
	Status  int
	Body    string
	headers []string
}

// Header returns the value of a header, or "".
func (a Answer) Header(name string) string {
	for _, line := range a.headers {
		if n, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(strings.TrimSpace(n), name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// readAnswer reads the next response. It skips requests, such as a server's OPTIONS to
// a registered phone.
func readAnswer(r *bufio.Reader) (Answer, error) {
	for {
		line, err := readLine(r)
		if err != nil {
			return Answer{}, err
		}
		if line == "" {
			continue
		}
		var a Answer
		if rest, ok := strings.CutPrefix(line, "SIP/2.0 "); ok {
			number, _, _ := strings.Cut(rest, " ")
			if a.Status, err = strconv.Atoi(number); err != nil {
				return Answer{}, fmt.Errorf("status line %q: %w", line, err)
			}
		}
		for {
			header, err := readLine(r)
			if err != nil {
				return Answer{}, err
			}
			if header == "" {
				break
			}
			a.headers = append(a.headers, header)
		}
		length, _ := strconv.Atoi(a.Header("Content-Length"))
		body := make([]byte, min(max(length, 0), 1<<16))
		n, err := io.ReadFull(r, body)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return Answer{}, err
		}
		a.Body = string(body[:n])
		if a.Status != 0 {
			return a, nil
		}
	}
}

func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}
