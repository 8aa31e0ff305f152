package outbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/voipbl/voipbl/internal/web"
)

// Server is the server that takes reports.
type Server struct {
	URL      string // without a slash at its end
	Insecure bool   // http is allowed
	Serial   string // a secret; may be empty
}

// hidden replaces the serial wherever a request is shown.
const hidden = "xxxxx"

// shown is the URL of the request for an entry, with the serial hidden.
func (s Server) shown(e Entry) string {
	if s.Serial != "" {
		s.Serial = hidden
	}
	return s.request(e)
}

// request returns the URL of the request for an entry, in the form that VoIPBL's own fail2ban
// action uses: GET URL/ban/?serial=…&ip=…&count=…, and the same with unban. An empty serial is
// sent too.
func (s Server) request(e Entry) string {
	return fmt.Sprintf("%s/%s/?serial=%s&ip=%s&count=%d", s.URL, e.Kind, url.QueryEscape(s.Serial), url.QueryEscape(e.Addr.String()), e.Count)
}

func (s Server) name() string {
	u, err := url.Parse(s.URL)
	if err != nil {
		return "report.url"
	}
	return u.Host
}

// Result is the result of a request. Err is nil if the server accepted it.
type Result struct {
	Err       *Error
	NotBefore time.Time // when the server said to try again; zero if it did not

	Talked []web.Peer // the hosts that were contacted, or tried
}

// Client makes requests. It keeps no connection open, since they are minutes apart.
type Client struct {
	http      *http.Client
	userAgent string
}

// newClient returns a client that calls itself voipbl/version. It takes its proxy from the
// environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY) and its certificate authorities from
// the system.
func newClient(version string) *Client {
	return &Client{
		http: &http.Client{Transport: &http.Transport{
			Proxy:                  web.Proxy,
			DialContext:            new(net.Dialer).DialContext, // bounded by the context
			MaxResponseHeaderBytes: web.MaxHeader,               // the body is never read
			ForceAttemptHTTP2:      true,
			DisableKeepAlives:      true,
		}},
		userAgent: web.UserAgent(version),
	}
}

// Send makes one request for an entry, until ctx ends. It never retries: the [Box] decides when
// a retry is due, and remembers that over restarts.
func (c *Client) Send(ctx context.Context, s Server, e Entry) Result {
	u, err := url.Parse(s.request(e))
	if err != nil {
		return s.failed(reasonStatus, "report.url is not a URL")
	}
	var peers web.Peers
	result := c.send(peers.Begin(ctx, u), s, e, &peers)
	result.Talked = peers.All()
	return result
}

func (c *Client) send(ctx context.Context, s Server, e Entry, peers *web.Peers) Result {
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.request(e), nil)
	if err != nil {
		return s.failed(reasonStatus, "report.url is not a URL")
	}
	r.Header.Set("User-Agent", c.userAgent)
	once := *c.http
	once.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		err := s.redirect(next, via)
		if err == nil {
			peers.Redirected(next.URL)
		}
		return err
	}
	resp, err := once.Do(r)
	if err != nil {
		return s.transportError(ctx, err, connected.Load())
	}
	resp.Body.Close()
	return s.judge(resp, time.Now())
}

// judge turns the server's answer into a Result.
func (s Server) judge(resp *http.Response, now time.Time) Result {
	code := resp.StatusCode
	reason := reasonStatus
	switch {
	case code >= 200 && code < 300:
		return Result{}
	case code == http.StatusTooManyRequests:
		reason = reasonBusy
	case code >= 400 && code < 500:
		reason = reasonForbidden
	}
	result := s.failed(reason, "the answer is "+web.StatusWords(code))
	if wait, ok := web.RetryAfter(resp.Header.Get("Retry-After"), now); ok && reason != reasonForbidden {
		result.NotBefore = now.Add(wait)
	}
	return result
}

func (s Server) failed(reason Reason, words string) Result {
	if s.Serial != "" { // no matter how it got into the words
		words = strings.ReplaceAll(words, s.Serial, hidden)
		words = strings.ReplaceAll(words, url.QueryEscape(s.Serial), hidden)
	}
	return Result{Err: &Error{Reason: reason, Server: s.name(), Words: words}}
}

// redirectError says why a redirect is not followed.
type redirectError struct{ words string }

func (e *redirectError) Error() string { return e.words }

// redirect decides whether to follow a redirect. It removes the Referer, since the URL before
// has the serial in it.
func (s Server) redirect(next *http.Request, via []*http.Request) error {
	next.Header.Del("Referer")
	if len(via) > web.MaxRedirects {
		return &redirectError{fmt.Sprintf("more than %d redirects", web.MaxRedirects)}
	}
	if err := web.Allowed(next.URL, s.Insecure); err != nil {
		return &redirectError{fmt.Sprintf("redirect to %s: %v", next.URL.Host, err)}
	}
	return nil
}

// transportError turns an error of net/http into a Result. It does not use the error's own
// text, which has the URL and so the serial. connected is false if no connection was made: then
// a change of this host's network may help.
func (s Server) transportError(ctx context.Context, err error, connected bool) Result {
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		err = urlErr.Err
	}
	var (
		redirected *redirectError
		netErr     net.Error
	)
	switch {
	case errors.As(err, &redirected):
		return s.failed(reasonBadRedirect, redirected.words)
	case web.IsBadLocation(err):
		return s.failed(reasonBadRedirect, "redirect to what is no URL")
	case web.IsTLS(err):
		return s.failed(reasonTLS, err.Error())
	case ctx.Err() != nil && !connected:
		return s.failed(reasonUnreachable, "no connection in time")
	case ctx.Err() != nil, errors.As(err, &netErr) && netErr.Timeout():
		return s.failed(reasonTooSlow, "no answer in time")
	}
	return s.failed(reasonUnreachable, err.Error())
}
