package outbox

import (
	"context"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const secret = "s3cret/+ %&"

var attacker = Entry{Addr: netip.MustParseAddr("5.5.5.5"), Kind: kindBan, Count: 3}

// serve starts a server, and returns it with a client that knows its certificate.
func serve(t *testing.T, handler http.HandlerFunc) (*httptest.Server, *Client) {
	t.Helper()
	s := httptest.NewTLSServer(handler)
	t.Cleanup(s.Close)
	c := newClient("1.2.3")
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	tr := c.http.Transport.(*http.Transport)
	tr.TLSClientConfig = s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	tr.TLSClientConfig.RootCAs = roots
	return s, c
}

func quick(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestRequest(t *testing.T) {
	var got *http.Request
	s, c := serve(t, func(_ http.ResponseWriter, r *http.Request) { got = r })
	for _, test := range []struct {
		entry Entry
		want  string
	}{
		{attacker, "/x/ban/?serial=s3cret%2F%2B+%25%26&ip=5.5.5.5&count=3"},
		{Entry{Addr: netip.MustParseAddr("2a00:1::7"), Kind: kindUnban}, "/x/unban/?serial=s3cret%2F%2B+%25%26&ip=2a00%3A1%3A%3A7&count=0"},
	} {
		server := Server{URL: s.URL + "/x", Serial: secret}
		if r := c.Send(quick(t), server, test.entry); r.Err != nil {
			t.Fatal(r.Err)
		}
		if got.Method != "GET" || got.RequestURI != test.want || got.FormValue("serial") != secret || got.UserAgent() != "voipbl/1.2.3 (+https://voipbl.org/)" {
			t.Errorf("%s %s from %s, want %s", got.Method, got.RequestURI, got.UserAgent(), test.want)
		}
		shown := server.shown(test.entry)
		if strings.Contains(shown, "s3cret") || !strings.Contains(shown, "serial=xxxxx&") {
			t.Errorf("shown as %s", shown)
		}
	}
	if shown := (Server{URL: "https://voipbl.org"}).shown(attacker); shown != "https://voipbl.org/ban/?serial=&ip=5.5.5.5&count=3" {
		t.Errorf("without a serial it is shown as %s", shown)
	}
}

func TestAnswers(t *testing.T) {
	for _, test := range []struct {
		code   int
		header string // Retry-After
		reason Reason
		words  string
		after  time.Duration
	}{
		{200, "", "", "", 0},
		{204, "10", "", "", 0},
		{304, "", reasonStatus, "the answer is 304 Not Modified", 0},
		{400, "", reasonForbidden, "the answer is 400 Bad Request", 0},
		{403, "3600", reasonForbidden, "the answer is 403 Forbidden", 0},
		{404, "", reasonForbidden, "the answer is 404 Not Found", 0},
		{429, "3600", reasonBusy, "the answer is 429 Too Many Requests", time.Hour},
		{429, "soon", reasonBusy, "the answer is 429 Too Many Requests", 0},
		{500, "", reasonStatus, "the answer is 500 Internal Server Error", 0},
		{503, "120", reasonStatus, "the answer is 503 Service Unavailable", 2 * time.Minute},
		{599, "-5", reasonStatus, "the answer is 599", 0},
	} {
		s, c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if test.header != "" {
				w.Header().Set("Retry-After", test.header)
			}
			w.WriteHeader(test.code)
		})
		before := time.Now()
		r := c.Send(quick(t), Server{URL: s.URL, Serial: secret}, attacker)
		if test.reason == "" {
			if r.Err != nil {
				t.Errorf("%d: %v", test.code, r.Err)
			}
			continue
		}
		if r.Err == nil || r.Err.Reason != test.reason || r.Err.Words != test.words {
			t.Errorf("%d: %+v, want %s: %s", test.code, r.Err, test.reason, test.words)
		}
		if after := r.NotBefore.Sub(before); test.after == 0 && !r.NotBefore.IsZero() || test.after > 0 && (after < test.after || after > test.after+5*time.Second) {
			t.Errorf("%d: not before %v from then, want %v", test.code, after, test.after)
		}
	}
}

// TestRedirects: redirects are followed if they are safe, and never with a Referer.
func TestRedirects(t *testing.T) {
	var asked atomic.Int32
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(plain.Close)
	var to, referer string
	s, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/there") {
			referer = r.Header.Get("Referer")
			return
		}
		if to == "echo" {
			w.Header().Set("Location", "http://[bad "+r.URL.RawQuery)
		} else {
			w.Header().Set("Location", to)
		}
		w.WriteHeader(http.StatusFound)
	})
	for _, test := range []struct {
		to       string
		insecure bool
		reason   Reason
		words    string
	}{
		{"/there", false, "", ""},
		{plain.URL, false, reasonBadRedirect, "redirect to " + plain.Listener.Addr().String() + ": http, where https is required"},
		{"ftp://example.net", true, reasonBadRedirect, `redirect to example.net: scheme "ftp" is not http or https`},
		{"/around", false, reasonBadRedirect, "more than 5 redirects"},
		{"echo", false, reasonBadRedirect, "redirect to what is no URL"},
		{plain.URL, true, "", ""},
	} {
		to, referer = test.to, "none yet"
		r := c.Send(quick(t), Server{URL: s.URL, Serial: secret, Insecure: test.insecure}, attacker)
		if test.reason == "" {
			if r.Err != nil {
				t.Errorf("to %s: %v", test.to, r.Err)
			}
		} else if r.Err == nil || r.Err.Reason != test.reason || r.Err.Words != test.words {
			t.Errorf("to %s: %v, want %s", test.to, r.Err, test.words)
		}
		if test.to == "/there" && referer != "" {
			t.Errorf("the server that was redirected to is told %s", referer)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("%d requests by http", n)
	}
}

// untilAsked is a context that ends when the server gets a request.
type untilAsked struct {
	context.Context
	asked <-chan struct{}
}

func (c untilAsked) Done() <-chan struct{} { return c.asked }

func (c untilAsked) Err() error {
	select {
	case <-c.asked:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// TestTroubles: each has its reason, and none shows the serial.
func TestTroubles(t *testing.T) {
	asked := make(chan struct{})
	silent, c := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // to return would be to answer
	})
	cut, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := w.(http.Hijacker).Hijack()
		conn.Close()
	})
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	deaf, err := net.Listen("tcp", "127.0.0.1:0") // accepts connections, but does not speak TLS
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { deaf.Close() })
	mute := httptest.NewServer(nil)
	t.Cleanup(mute.Close)
	for _, test := range []struct {
		name   string
		client *Client
		url    string
		reason Reason
		words  string
	}{
		{"silent", c, silent.URL, reasonTooSlow, "no answer in time"},
		{"closed", c, "https://" + closed.Addr().String(), reasonUnreachable, "connection refused"},
		{"deaf", c, "https://" + deaf.Addr().String(), reasonUnreachable, "no connection in time"},
		{"cut", c, cut.URL, reasonUnreachable, "EOF"},
		{"not TLS", c, strings.Replace(mute.URL, "http:", "https:", 1), reasonTLS, "HTTP response to HTTPS client"},
		{"unknown authority", newClient("x"), silent.URL, reasonTLS, "certificate"},
		{"no URL", c, "https://[", reasonStatus, "report.url is not a URL"},
	} {
		ctx := quick(t)
		switch test.name {
		case "silent": // however long the connection takes
			ctx = untilAsked{ctx, asked}
		case "deaf": // there is never one
			ended, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			defer cancel()
			ctx = ended
		}
		r := test.client.Send(ctx, Server{URL: test.url, Serial: secret}, attacker)
		if r.Err == nil || r.Err.Reason != test.reason || !strings.Contains(r.Err.Words, test.words) {
			t.Errorf("%s: %+v, want %s: %s", test.name, r.Err, test.reason, test.words)
			continue
		}
		if s := r.Err.Error(); strings.Contains(s, "s3cret") || strings.ContainsAny(s, "\n\r") {
			t.Errorf("%s: %q", test.name, s)
		}
		if r.Err.Remedy() == "" {
			t.Errorf("%s has no remedy", test.name)
		}
	}
}

// TestBodyIsNotRead: of an endless answer only the status is read.
func TestBodyIsNotRead(t *testing.T) {
	ended := make(chan struct{})
	s, c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		defer close(ended)
		block := make([]byte, 64<<10)
		for {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	if r := c.Send(quick(t), Server{URL: s.URL}, attacker); r.Err != nil {
		t.Fatal(r.Err)
	}
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Error("the connection is kept")
	}
}
