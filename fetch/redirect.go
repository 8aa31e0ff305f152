package fetch

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/voipbl/voipbl/internal/web"
)

// redirect follows a redirect if the policy allows it, and records its target.
func (d *download) redirect(next *http.Request, via []*http.Request) error {
	if err := redirectPolicy(d.req.Insecure, d.shown)(next, via); err != nil {
		return err
	}
	next.Header.Del("Referer") // a URL may have a key in it
	if d.away = d.away || next.URL.Scheme != d.url.Scheme || next.URL.Host != d.url.Host; d.away {
		next.Header.Del("Authorization")
		for _, h := range d.req.Headers {
			name, _, _ := strings.Cut(h, ":")
			next.Header.Del(name)
		}
	}
	d.peers.Redirected(next.URL)
	return nil
}

// redirectPolicy returns the check of each redirect. A feed with an https URL is never
// fetched by plain http.
func redirectPolicy(insecure bool, shown func(*url.URL) string) func(*http.Request, []*http.Request) error {
	return func(next *http.Request, via []*http.Request) error {
		if len(via) > web.MaxRedirects {
			return &fetchError{Reason: ReasonBadRedirect, Err: fmt.Errorf("more than %d redirects, the last to %s", web.MaxRedirects, shown(next.URL))}
		}
		if err := web.Allowed(next.URL, insecure); err != nil {
			return &fetchError{Reason: ReasonBadRedirect, Err: fmt.Errorf("to %s: %w", shown(next.URL), err)}
		}
		return nil
	}
}
