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
	// maxRetryAfter is the longest Retry-After that Get waits for. If a server asks for
	// more, Get gives up; the next fetch comes later anyway.
	maxRetryAfter = 30 * time.Second
)

// count counts each request before it is made.
func (d *download) count(_ retryablehttp.Logger, _ *http.Request, retry int) {
	d.attempts, d.away = retry+1, false
	d.peers.Again(d.url)
}

// pause returns the wait that again has chosen.
func (d *download) pause(_, _ time.Duration, _ int, _ *http.Response) time.Duration {
	return d.wait
}

// passError returns the last attempt's error unchanged.
func passError(resp *http.Response, err error, _ int) (*http.Response, error) {
	if resp != nil {
		resp.Body.Close()
	}
	return nil, err
}

// again decides after each attempt whether to make another one, and after which wait.
// It never starts a wait that would outlast the deadline: the last error says more than
// a timeout would.
func (d *download) again(_ context.Context, _ *http.Response, err error) (bool, error) {
	if err == nil {
		return false, nil // receive checks the response; its error comes back here
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

// jitter returns a random wait before retry n, counted from 1. Its upper limit is base,
// doubled with each retry. Hosts that failed at the same time then do not retry at the
// same time.
func jitter(base time.Duration, n int) time.Duration {
	return rand.N(base<<(n-1) + 1)
}

// failure returns the error of the whole download.
func (d *download) failure(err error) *fetchError {
	return d.fail(d.judge(err))
}

// judge turns the error of an attempt into a fetchError. A fetchError is returned as it is.
func (d *download) judge(err error) *fetchError {
	var ours *fetchError
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
	// Error names the URL already; remove the one of net/http.
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		err = urlErr.Err
	}
	if web.IsBadLocation(err) {
		return &fetchError{Reason: ReasonBadRedirect, Err: errors.New("the Location header is not a URL")}
	}
	reason, retry := transportReason(err)
	return &fetchError{Reason: reason, Err: err, retry: retry}
}

// transportReason returns the reason for an error of net/http's transport, and whether
// to retry.
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

// statusError returns the error for a status other than 200 and an expected 304.
func statusError(resp *http.Response, now time.Time) *fetchError {
	code := resp.StatusCode
	e := &fetchError{
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
