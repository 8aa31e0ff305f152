package fetch

import (
	"fmt"
	"net/http"

	"github.com/voipbl/voipbl/internal/shownurl"
	"github.com/voipbl/voipbl/internal/web"
)

// redirect follows a redirect by the policy, and notes where it leads.
func (d *download) redirect(next *http.Request, via []*http.Request) error {
	if err := redirectPolicy(d.req.Insecure)(next, via); err != nil {
		return err
	}
	d.peers.Redirected(next.URL)
	return nil
}

// redirectPolicy returns the rule by which redirects are followed: a feed that
// was asked for by https is never fetched in the clear, whoever says so.
func redirectPolicy(insecure bool) func(*http.Request, []*http.Request) error {
	return func(next *http.Request, via []*http.Request) error {
		if len(via) > web.MaxRedirects {
			return &Error{Reason: ReasonBadRedirect, Err: fmt.Errorf("more than %d redirects, the last to %s", web.MaxRedirects, shownurl.URL(next.URL))}
		}
		if err := web.Allowed(next.URL, insecure); err != nil {
			return &Error{Reason: ReasonBadRedirect, Err: fmt.Errorf("to %s: %w", shownurl.URL(next.URL), err)}
		}
		return nil
	}
}
