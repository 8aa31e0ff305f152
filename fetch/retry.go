package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/voipbl/voipbl/internal/web"
)

const (
	// maxRetries is how often a failed attempt is repeated.
	maxRetries = 3
	// maxRetryAfter is the longest Retry-After that is waited for. A server
	// that asks for more gets its wish: the next sync comes later anyway.
	maxRetryAfter = 30 * time.Second
)

// count is told of each request before it is made.
func (d *download) count(_ retryablehttp.Logger, _ *http.Request, retry int) {
	d.attempts = retry + 1
	d.peers.Again(d.url)
}

// pause returns the wait that [download.again] has chosen.
func (d *download) pause(_, _ time.Duration, _ int, _ *http.Response) time.Duration {
	return d.wait
}

// passError hands the last attempt's error on as it is.
func passError(resp *http.Response, err error, _ int) (*http.Response, error) {
	if resp != nil {
		resp.Body.Close()
	}
	return nil, err
}

// again decides, after each attempt, whether to make another one and after
// what wait. It never starts a wait that would outlast the deadline: the
// failure at hand says more than a timeout would.
func (d *download) again(_ context.Context, _ *http.Response, err error) (bool, error) {
	if err == nil {
		return false, nil // to receive it; what that makes of it comes back here
	}
	e := d.judge(err)
	d.last = e
	if !e.retry || d.attempts > maxRetries {
		return false, e
	}
	d.wait = jitter(d.client.backoff, d.attempts)
	if !e.NotBefore.IsZero() {
		d.wait = max(d.wait, time.Until(e.NotBefore))
	}
	deadline, _ := d.ctx.Deadline()
	if tooLate := time.Until(deadline) < d.wait; tooLate || d.wait > maxRetryAfter {
		if !e.NotBefore.IsZero() {
			e.Reason = ReasonRetryLater
			e.Err = fmt.Errorf("%w; the server asks to come back at %s", e.Err, e.NotBefore.UTC().Format(time.RFC3339))
		}
		return false, e
	}
	d.client.log.LogAttrs(d.ctx, slog.LevelInfo, "fetch failed, trying again",
		slog.String("feed", d.req.Feed), slog.String("url", d.name), slog.Int("attempt", d.attempts),
		slog.Duration("wait", d.wait), slog.String("reason", string(e.Reason)), slog.Any("error", e.Err))
	return true, nil
}

// jitter returns the wait before retry n, which counts from 1: anything from
// nothing to base doubled each time, so that hosts which failed together do
// not come back together.
func jitter(base time.Duration, n int) time.Duration {
	return rand.N(base<<(n-1) + 1)
}

// failure is the error of the whole download.
func (d *download) failure(err error) *Error {
	return d.fail(d.judge(err))
}

// judge says what an attempt failed with. An error that is one of ours
// already stays what it is.
func (d *download) judge(err error) *Error {
	var ours *Error
	if errors.As(err, &ours) {
		return ours
	}
	if d.ctx.Err() != nil {
		e := d.interrupted()
		if d.last != nil {
			e.Err = fmt.Errorf("%w, after: %w", e.Err, d.last.Err)
		}
		return e
	}
	// net/http names the URL, as we do.
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		err = urlErr.Err
	}
	if web.IsBadLocation(err) {
		return &Error{Reason: ReasonBadRedirect, Err: errors.New("the Location header is not a URL")}
	}
	reason, retry := transportReason(err)
	return &Error{Reason: reason, Err: err, retry: retry}
}

// transportReason sorts the errors of net/http's transport, and says whether
// another attempt may go better.
func transportReason(err error) (reason Reason, retry bool) {
	var (
		opErr  *net.OpError
		netErr net.Error
		errno  syscall.Errno
	)
	switch {
	case Shortage(err) != "":
		return Shortage(err), true
	case web.IsTLS(err):
		return ReasonTLS, false
	case errors.As(err, &opErr) && opErr.Op == "dial":
		return ReasonUnreachable, true
	case errors.As(err, &netErr):
		if netErr.Timeout() {
			return ReasonTooSlow, true
		}
		return ReasonUnreachable, true
	case errors.As(err, &errno), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ReasonUnreachable, true
	}
	return ReasonProtocol, true
}

// statusError describes an answer that is neither a list nor "not modified".
func statusError(resp *http.Response, now time.Time) *Error {
	code := resp.StatusCode
	e := &Error{
		Reason: ReasonStatus,
		Err:    fmt.Errorf("the answer is %s, not 200 or 304", web.StatusWords(code)),
	}
	switch {
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests,
		code >= 500 && code != http.StatusNotImplemented:
		e.retry = true
		if wait, ok := web.RetryAfter(resp.Header.Get("Retry-After"), now); ok {
			e.NotBefore = now.Add(wait)
		}
	}
	return e
}
