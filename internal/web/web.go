// Package web has the rules for all requests to servers on the Internet: how long to
// wait before a retry, which redirects to follow, which proxy to use, and what headers
// and net/http's errors mean. It sends no requests and reads no answers: fetch and
// outbox do. It imports nothing of voipbl.
package web

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// MaxRedirects is how many redirects one request follows.
	MaxRedirects = 5

	// MaxHeader is the largest header of an answer in bytes; net/http's default is 10
	// MiB.
	MaxHeader = 64 << 10

	// A server that fails is asked again after a minute, then after twice as long each
	// time, up to MaxPause.
	firstPause = time.Minute
	MaxPause   = 30 * time.Minute
)

// Pause returns how long to wait after that many failures in a row.
func Pause(failures int) time.Duration {
	p := firstPause
	for range failures - 1 {
		if p *= 2; p >= MaxPause {
			return MaxPause
		}
	}
	return p
}

// Later returns the later of two times.
func Later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// UserAgent returns voipbl's User-Agent header.
func UserAgent(version string) string { return "voipbl/" + version + " (+https://voipbl.org/)" }

// errProxy does not quote the proxy's address, which may contain a password.
var errProxy = errors.New("the address in HTTPS_PROXY or HTTP_PROXY is not a URL")

// Proxy is [http.ProxyFromEnvironment] with an error that shows no password.
func Proxy(r *http.Request) (*url.URL, error) {
	u, err := http.ProxyFromEnvironment(r)
	if err != nil {
		return nil, errProxy
	}
	return u, nil
}

// Allowed returns why a URL must not be requested, or nil. A request that began with
// https never continues in plain http.
func Allowed(u *url.URL, insecure bool) error {
	switch {
	case u.Scheme == "https", u.Scheme == "http" && insecure:
		return nil
	case u.Scheme == "http":
		return errors.New("http, where https is required")
	}
	return fmt.Errorf("scheme %q is not http or https", u.Scheme)
}

// IsTLS reports whether an error of net/http's is about certificates or encryption.
func IsTLS(err error) bool {
	var (
		certErr   *tls.CertificateVerificationError
		recordErr tls.RecordHeaderError
		alert     tls.AlertError
	)
	return errors.As(err, &certErr) || errors.As(err, &recordErr) || errors.As(err, &alert) || errors.Is(err, http.ErrSchemeMismatch)
}

// IsBadLocation reports whether an error is a redirect to an invalid URL. Do not show
// its text: it quotes the header, which may contain a password.
func IsBadLocation(err error) bool {
	// net/http gives no other sign of it.
	return strings.HasPrefix(err.Error(), "failed to parse Location header")
}

// StatusWords returns the words for a status code. They come from a table, because the
// server's own words are not safe to print.
func StatusWords(code int) string {
	return strings.TrimSpace(strconv.Itoa(code) + " " + http.StatusText(code))
}

// RetryAfter reads a Retry-After header (RFC 9110, section 10.2.3), which is a number
// of seconds or a date. A date in the past is a wait of 0.
func RetryAfter(value string, now time.Time) (wait time.Duration, ok bool) {
	// 32 bits of seconds are 68 years; larger values are cut to that.
	seconds, err := strconv.ParseInt(value, 10, 32)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(seconds) * time.Second, seconds >= 0
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return max(0, date.Sub(now)), true
}
