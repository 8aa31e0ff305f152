// Package web is what all that asks a server of the Internet goes by: how often
// again, which redirects are followed, what an answer's header and net/http's errors
// mean. Who asks, and what becomes of the answer, is its callers' business.
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

	// MaxHeader bounds the header of an answer, in bytes; net/http's own default is
	// 10 MiB.
	MaxHeader = 64 << 10

	// A server that fails is asked again after a minute, and then after twice as long
	// each time, up to MaxPause.
	firstPause = time.Minute
	MaxPause   = 30 * time.Minute
)

// Pause is how long to wait after that many failures in a row.
func Pause(failures int) time.Duration {
	p := firstPause
	for range failures - 1 {
		if p *= 2; p >= MaxPause {
			return MaxPause
		}
	}
	return p
}

// Later is the later of two times.
func Later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// UserAgent is how we call ourselves.
func UserAgent(version string) string { return "voipbl/" + version + " (+https://voipbl.org/)" }

// errProxy does not repeat the proxy's address, which may hold a password.
var errProxy = errors.New("the address in HTTPS_PROXY or HTTP_PROXY is not a URL")

// Proxy is [http.ProxyFromEnvironment] with an error that may be shown.
func Proxy(r *http.Request) (*url.URL, error) {
	u, err := http.ProxyFromEnvironment(r)
	if err != nil {
		return nil, errProxy
	}
	return u, nil
}

// Allowed says why a URL must not be asked, or nil: what was asked for by https is
// never sent or fetched in the clear, whoever says so.
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

// IsBadLocation reports whether an error is a redirect to what is no URL. Its words
// quote the header, which may hold a password: they are not to be shown.
func IsBadLocation(err error) bool {
	// The only sign of it that net/http gives.
	return strings.HasPrefix(err.Error(), "failed to parse Location header")
}

// StatusWords are an answer's status. They come from a table: the server's own are
// not to be printed.
func StatusWords(code int) string {
	return strings.TrimSpace(strconv.Itoa(code) + " " + http.StatusText(code))
}

// RetryAfter reads a Retry-After header (RFC 9110, section 10.2.3), which is a number
// of seconds or a date. One that has passed is a wait of 0.
func RetryAfter(value string, now time.Time) (wait time.Duration, ok bool) {
	// 32 bits of seconds are 68 years; what lies beyond comes back as that.
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
