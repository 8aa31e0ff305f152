package fetch

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/web"
)

func redirectTo(location string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", location)
		w.WriteHeader(http.StatusFound)
	}
}

func TestRedirectToPlainHTTP(t *testing.T) {
	plain := serve(t, "http", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, list) })
	secure := serve(t, "https", redirectTo(strings.Replace(plain.URL, "//", "//user:s3cret@", 1)+"/list"))
	c := client(t, secure)

	_, err := c.Get(t.Context(), Request{URL: secure.URL}, stage(t, openStore(t), "voipbl"))
	if e := wantReason(t, err, ReasonBadRedirect); e.Attempts != 1 || len(plain.requests) != 0 {
		t.Errorf("%d attempts and %d requests in the clear, want 1 and none", e.Attempts, len(plain.requests))
	}

	resp, err := c.Get(t.Context(), Request{URL: secure.URL, Insecure: true}, stage(t, openStore(t), "voipbl"))
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(plain.URL, "//", "//xxxxx@", 1) + "/list"; resp.URL != want {
		t.Errorf("got URL %s, want %s", resp.URL, want)
	}
}

func TestRedirectRefused(t *testing.T) {
	for _, location := range []string{
		"ftp://user:s3cret@example.net/", "file:///etc/passwd", "gopher://example.net/", "javascript:alert(1)",
		"https://user:s3cret@bad host/", "https://user:%zzs3cret@example.net/",
	} {
		srv := serve(t, "https", redirectTo(location))
		_, err := client(t, srv).Get(t.Context(), Request{URL: srv.URL, Insecure: true}, stage(t, openStore(t), "voipbl"))
		if e := wantReason(t, err, ReasonBadRedirect); e.Attempts != 1 {
			t.Errorf("%s: %d attempts, want 1", location, e.Attempts)
		}
	}
}

func TestRedirectLimit(t *testing.T) {
	// /n redirects to /n-1, and /0 is the list.
	srv := serve(t, "https", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Path[1:])
		if n == 0 {
			io.WriteString(w, list)
			return
		}
		redirectTo(fmt.Sprintf("/%d", n-1))(w, r)
	})
	for n := range 8 {
		_, err := client(t, srv).Get(t.Context(), Request{URL: fmt.Sprintf("%s/%d", srv.URL, n)}, stage(t, openStore(t), "voipbl"))
		if n <= web.MaxRedirects {
			if err != nil {
				t.Errorf("%d redirects: %v", n, err)
			}
			continue
		}
		wantReason(t, err, ReasonBadRedirect)
	}

	loop := serve(t, "https", redirectTo("/"))
	_, err := client(t, loop).Get(t.Context(), Request{URL: loop.URL}, stage(t, openStore(t), "voipbl"))
	wantReason(t, err, ReasonBadRedirect)
	if n := len(loop.requests); n != 1+web.MaxRedirects {
		t.Errorf("%d requests in a loop, want %d", n, 1+web.MaxRedirects)
	}
}

// TestRedirectNowhere: a redirect without a target is refused for its status.
func TestRedirectNowhere(t *testing.T) {
	srv := serve(t, "https", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusFound) })
	_, err := client(t, srv).Get(t.Context(), Request{URL: srv.URL}, stage(t, openStore(t), "voipbl"))
	wantReason(t, err, ReasonStatus)
}
