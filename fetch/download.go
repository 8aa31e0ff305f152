package fetch

import (
	"cmp"
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/voipbl/voipbl/internal/shownurl"
	"github.com/voipbl/voipbl/internal/web"
)

// A download is one [Client.Get] with all its attempts.
type download struct {
	client *Client
	caller context.Context // the caller's, to tell its cancellation from the deadline of ctx
	ctx    context.Context // with the deadline
	req    Request         // with its defaults filled in
	url    *url.URL
	name   string // the URL without its key, for errors
	to     *Staged

	away     bool          // a redirect has led to another server
	attempts int           // requests made so far
	last     *fetchError   // error of the last attempt
	wait     time.Duration // before the next attempt
	wire     int64         // bytes received by the last attempt
	response Response
	peers    web.Peers
}

func newDownload(ctx context.Context, c *Client, req Request, to *Staged) (*download, error) {
	if req.MaxBytes <= 0 {
		req.MaxBytes = defaultMaxBytes
	}
	req.MaxBytes = min(req.MaxBytes, math.MaxInt64-1) // one is added to it below
	if req.Timeout <= 0 {
		req.Timeout = defaultTimeout
	}
	req.ETag, req.LastModified = validator(req.ETag), validator(req.LastModified)
	d := &download{client: c, caller: ctx, ctx: ctx, req: req, to: to}

	u, err := url.Parse(req.URL)
	if err != nil || u.Host == "" {
		return nil, d.badURL()
	}
	d.url, d.name = u, d.shown(u)
	if err := web.Allowed(u, req.Insecure); err != nil {
		return nil, d.fail(&fetchError{Reason: ReasonBadURL, Err: err})
	}
	return d, nil
}

// badURL returns the error for a malformed URL. It leaves out the error of net/url,
// which may quote a password.
func (d *download) badURL() *fetchError {
	d.name = cmp.Or(d.req.Secret.hide(shownurl.Of(d.req.URL)), `""`)
	return d.fail(&fetchError{Reason: ReasonBadURL, Err: errors.New("not a URL with a scheme and a host")})
}

// shown returns a URL without anything secret.
func (d *download) shown(u *url.URL) string { return d.req.Secret.hide(shownurl.URL(u)) }

// authorize adds what the server wants to know of whom it gives the list.
func (d *download) authorize(r *http.Request) {
	for _, h := range d.req.Headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	if d.req.User != "" {
		r.SetBasicAuth(d.req.User, d.req.Secret.text)
	}
}

// maxValidator is the longest ETag or Last-Modified that is kept, in bytes.
const maxValidator = 1 << 10

// validator returns an ETag or Last-Modified value if it can be sent back, otherwise
// "". net/http refuses to send control characters, so a bad value that was kept would
// make every later fetch fail.
func validator(s string) string {
	unprintable := func(r rune) bool { return r < ' ' || r > '~' }
	if len(s) > maxValidator || strings.ContainsFunc(s, unprintable) {
		return ""
	}
	return s
}

// receive checks the response to one attempt and stages its body.
func (d *download) receive(resp *http.Response) error {
	defer resp.Body.Close()
	d.response = Response{
		ETag:         validator(resp.Header.Get("ETag")),
		LastModified: validator(resp.Header.Get("Last-Modified")),
		URL:          d.shown(resp.Request.URL),
		Status:       resp.StatusCode,
	}
	switch resp.StatusCode {
	case http.StatusOK, d.req.Also:
		return d.stage(resp)
	case http.StatusNotModified:
		if d.req.ETag == "" && d.req.LastModified == "" {
			return &fetchError{Reason: ReasonStatus, Err: errors.New("304 Not Modified to a request without conditions")}
		}
		// A 304 need not repeat the validators it confirms.
		d.response.NotModified = true
		if d.response.ETag == "" {
			d.response.ETag = d.req.ETag
		}
		if d.response.LastModified == "" {
			d.response.LastModified = d.req.LastModified
		}
		return nil
	}
	return statusError(resp, time.Now())
}

// stage writes the body of a 200 to disk, at most one byte more than MaxBytes.
func (d *download) stage(resp *http.Response) error {
	if err := d.to.reset(); err != nil {
		return err
	}
	d.to.Part(d.name)
	d.wire = 0
	body, closed, err := d.decoded(resp)
	if err != nil {
		return err
	}
	defer closed()
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	n, err := io.CopyBuffer(d.to, io.LimitReader(body, d.req.MaxBytes+1), buf[:])
	switch {
	case err != nil:
		return d.bodyError(err)
	case n > d.req.MaxBytes:
		return d.tooLarge()
	case d.ctx.Err() != nil:
		// At the deadline net/http closes the connection. A server that notices may
		// still end its chunks as if the body were complete.
		return d.interrupted()
	}
	d.response.Bytes = n
	return d.to.flush()
}

// decoded returns the body without its content coding. The caller calls closed once it has
// read enough.
func (d *download) decoded(resp *http.Response) (_ io.Reader, closed func(), err error) {
	wire := &meter{d: d, body: resp.Body, total: resp.ContentLength}
	switch coding := strings.ToLower(resp.Header.Get("Content-Encoding")); {
	case resp.ContentLength == 0: // an empty body, whatever its coding
	case coding == "" || coding == "identity":
		if resp.ContentLength > d.req.MaxBytes {
			return nil, nil, d.tooLarge()
		}
	case coding == "gzip" || coding == "x-gzip": // RFC 9110, section 8.4.1.3
		z, err := newInflate(wire)
		if err != nil {
			return nil, nil, d.bodyError(err)
		}
		return z, z.close, nil
	default:
		return nil, nil, &fetchError{Reason: ReasonCorrupt, Err: fmt.Errorf("content coding %q, where gzip or none was asked for", coding)}
	}
	return wire, func() {}, nil
}

func (d *download) tooLarge() *fetchError {
	return &fetchError{Reason: ReasonTooLarge, Err: fmt.Errorf("more than %d bytes after decompression", d.req.MaxBytes)}
}

// bodyError returns why a body could not be staged completely.
func (d *download) bodyError(err error) error {
	var storage *fetchError
	var corrupt flate.CorruptInputError
	switch {
	case errors.As(err, &storage):
		return storage
	case d.ctx.Err() != nil:
		return d.interrupted()
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.As(err, &corrupt):
		return &fetchError{Reason: ReasonCorrupt, Err: err, retry: true}
	}
	if err == io.EOF { // a gzip stream without a header is truncated, too
		err = io.ErrUnexpectedEOF
	}
	return &fetchError{Reason: ReasonTruncated, Err: fmt.Errorf("after %d bytes on the wire: %w", d.wire, err), retry: true}
}

// interrupted returns the error for a download that the caller canceled or that ran
// into the deadline.
func (d *download) interrupted() *fetchError {
	if err := d.caller.Err(); errors.Is(err, context.Canceled) {
		return &fetchError{Reason: ReasonCanceled, Err: context.Cause(d.caller)}
	}
	return &fetchError{Reason: ReasonTooSlow, Err: fmt.Errorf("%d bytes received by the deadline of %v: %w",
		d.wire, d.req.Timeout, context.DeadlineExceeded)}
}

// fail completes a fetchError with the feed, the URL and the attempts.
func (d *download) fail(e *fetchError) *fetchError {
	e.Attempts = d.attempts
	if e.Object == "" { // errors of the store have an object already
		e.Feed, e.Object = d.req.Feed, d.name
	}
	return e
}

// A meter counts a body's bytes as they are received, before decompression.
type meter struct {
	d     *download
	body  io.Reader
	total int64
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.body.Read(p)
	m.d.wire += int64(n)
	if m.d.req.Progress != nil && n > 0 {
		m.d.req.Progress(m.d.wire, m.total)
	}
	return n, err
}
