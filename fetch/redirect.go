package fetch

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// maxRedirects is how many redirects one attempt follows.
const maxRedirects = 5

// redirectPolicy returns the rule by which redirects are followed: a feed that
// was asked for by https is never fetched in the clear, whoever says so.
func redirectPolicy(insecure bool) func(*http.Request, []*http.Request) error {
	return func(next *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return &Error{Reason: ReasonBadRedirect, Err: fmt.Errorf("more than %d redirects, the last to %s", maxRedirects, redact(next.URL))}
		}
		if err := allowed(next.URL, insecure); err != nil {
			return &Error{Reason: ReasonBadRedirect, Err: fmt.Errorf("to %s: %w", redact(next.URL), err)}
		}
		return nil
	}
}

// allowed says whether a URL's scheme may be used.
func allowed(u *url.URL, insecure bool) error {
	switch {
	case u.Scheme == "https", u.Scheme == "http" && insecure:
		return nil
	case u.Scheme == "http":
		return errors.New("http, where https is required")
	}
	return fmt.Errorf("scheme %q is not http or https", u.Scheme)
}
