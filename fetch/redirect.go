package fetch

import (
	"fmt"
	"net/http"

	"github.com/voipbl/voipbl/internal/shownurl"
	"github.com/voipbl/voipbl/internal/web"
)

// redirect follows a redirect if the policy allows it, and records its target.
func (d *download) redirect(next *http.Request, via []*http.Request) error {
	if err := redirectPolicy(d.req.Insecure)(next, via); err != nil {
		return err
	}
	d.peers.Redirected(next.URL)
	return nil
}

// redirectPolicy returns the check of each redirect. A feed with an https URL is never
// fetched by plain http.
func redirectPolicy(insecure bool) func(*http.Request, []*http.Request) error {
	return func(next *http.Request, via []*http.Request) error {
		if len(via) > web.MaxRedirects {
			return &fetchError{Reason: ReasonBadRedirect, Err: fmt.Errorf("more than %d redirects, the last to %s", web.MaxRedirects, shownurl.URL(next.URL))}
		}
		if err := web.Allowed(next.URL, insecure); err != nil {
			return &fetchError{Reason: ReasonBadRedirect, Err: fmt.Errorf("to %s: %w", shownurl.URL(next.URL), err)}
		}
		return nil
	}
}
