package fetch

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/voipbl/voipbl/internal/web"
)

// Defaults of a [Request]. The size limit is about forty times today's VoIPBL list; the
// time is about a hundred times what its download takes.
const (
	defaultMaxBytes = 64 << 20
	defaultTimeout  = 60 * time.Second
)

// Time limits of one connection. Each is well below defaultTimeout, so that a dead
// server leaves time for another attempt.
const (
	dialTimeout   = 10 * time.Second
	tlsTimeout    = 10 * time.Second
	headerTimeout = 30 * time.Second // from the request to the end of the response header
	idleTimeout   = 30 * time.Second // connections are reused only by retries and feeds of one round
)

// AtOnce is how many lists are fetched at a time, and how many connections to one server are kept
// for the next of its lists.
const AtOnce = 8

// A Client downloads URL feeds. It is safe for concurrent use. The lists of one server share
// its connections until Close.
type Client struct {
	transport *http.Transport
	userAgent string
	log       *slog.Logger
	backoff   time.Duration // the longest wait before the first retry; doubles with each retry
}

// NewClient returns a client with the User-Agent voipbl/version. It takes its proxy
// from the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY) and its certificate
// authorities from the system. It logs retries to log, which may be nil.
func NewClient(version string, log *slog.Logger) *Client {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Client{
		transport: &http.Transport{
			Proxy:                  proxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSHandshakeTimeout:    tlsTimeout,
			ResponseHeaderTimeout:  headerTimeout,
			IdleConnTimeout:        idleTimeout,
			MaxIdleConnsPerHost:    AtOnce,
			MaxResponseHeaderBytes: web.MaxHeader,
			ForceAttemptHTTP2:      true,
			// This package decompresses, so that the length on the wire stays known.
			DisableCompression: true,
		},
		userAgent: web.UserAgent(version),
		log:       log,
		backoff:   time.Second,
	}
}

// Close closes idle connections. Call it after each round: fetches are hours apart, and a
// server's connections are not kept open that long.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// proxyFromEnvironment is [web.Proxy] with a fetchError.
func proxyFromEnvironment(r *http.Request) (*url.URL, error) {
	u, err := web.Proxy(r)
	if err != nil {
		return nil, &fetchError{Reason: ReasonUnreachable, Err: err}
	}
	return u, nil
}

// A Request asks for one URL feed.
type Request struct {
	Feed     string        // the feed's name, for errors and logs
	URL      string        // https; its query string is sent unchanged
	Insecure bool          // allows http, for the URL and for redirects
	MaxBytes int64         // limit of the body in bytes, after decompression; 0 is defaultMaxBytes
	Timeout  time.Duration // for the whole request, with retries and waits; 0 is defaultTimeout

	// Headers are sent to the URL's own host alone, not to where it redirects; User, too, with the
	// secret as its password. The secret is hidden in whatever is shown or kept.
	Headers []string // "Name: value"
	User    string
	Secret  Secret

	// Validators of the last good copy, from its [Meta]. If both are empty, the request
	// is unconditional.
	ETag, LastModified string

	// Also is another status whose body is staged, such as that with which a server ends a list of
	// several pages; 0: none.
	Also int

	// Progress, if not nil, is called after each read with the number of bytes received
	// so far, before decompression, and their total, or -1 if it is unknown. A retry
	// starts again at 0.
	Progress func(got, total int64)
}

// A Response is the result of [Client.Get].
type Response struct {
	NotModified        bool   // the last good copy is current; nothing was written
	ETag, LastModified string // validators for the next request; empty if the server has none
	URL                string // after redirects, without userinfo
	Attempts           int    // requests made, redirects not counted: 1 to 4
	Bytes              int64  // written, after decompression

	Status int // 200, 304, or Request.Also

	Talked []web.Peer // the hosts that answered, or were tried
}

// Get downloads the feed into to, as one part named by its URL. It replaces what was
// staged there before. Only status 200, or 304 to a request with validators, is a
// success.
//
// On an error the contents of to are undefined, and only Talked is set in the
// response.
func (c *Client) Get(ctx context.Context, req Request, to *Staged) (Response, error) {
	d, err := newDownload(ctx, c, req, to)
	if err != nil {
		return Response{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, d.req.Timeout)
	defer cancel()
	d.ctx = d.peers.Begin(ctx, d.url)

	r, err := retryablehttp.NewRequestWithContext(d.ctx, http.MethodGet, d.req.URL, nil)
	if err != nil {
		return Response{}, d.badURL()
	}
	d.authorize(r.Request)
	r.Header.Set("User-Agent", c.userAgent)
	r.Header.Set("Accept-Encoding", "gzip")
	if d.req.ETag != "" {
		r.Header.Set("If-None-Match", d.req.ETag)
	}
	if d.req.LastModified != "" {
		r.Header.Set("If-Modified-Since", d.req.LastModified)
	}
	r.SetResponseHandler(d.receive)

	retrier := retryablehttp.Client{
		HTTPClient: &http.Client{
			Transport:     c.transport,
			CheckRedirect: d.redirect,
		},
		RetryMax:       maxRetries,
		RequestLogHook: d.count,
		CheckRetry:     d.again,
		Backoff:        d.pause,
		ErrorHandler:   passError,
	}
	if _, err := retrier.Do(r); err != nil {
		return Response{Talked: d.peers.All()}, d.failure(err)
	}
	d.response.Attempts, d.response.Talked = d.attempts, d.peers.All()
	return d.response, nil
}
