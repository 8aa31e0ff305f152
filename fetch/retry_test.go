package fetch

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestJitter: waits are random, up to a limit that doubles.
func TestJitter(t *testing.T) {
	for n := 1; n <= maxRetries; n++ {
		ceiling := time.Second << (n - 1)
		var least, most time.Duration = time.Hour, 0
		for range 1000 {
			w := jitter(time.Second, n)
			least, most = min(least, w), max(most, w)
		}
		// Each of these fails by chance once in e^50 runs.
		if least < 0 || least > ceiling/20 || most < ceiling*19/20 || most > ceiling {
			t.Errorf("retry %d: waits of %v to %v, want 0 to %v", n, least, most, ceiling)
		}
	}
}

func TestGetRetryAfter(t *testing.T) {
	tests := map[string]struct {
		value   func() string
		timeout time.Duration
		waits   time.Duration // the shortest wait before a second attempt; -1: no second attempt
	}{
		"none":        {func() string { return "" }, 0, 0},
		"now":         {func() string { return "0" }, 0, 0},
		"short":       {func() string { return "1" }, 0, time.Second},
		"long":        {func() string { return "31" }, 0, -1},
		"very long":   {func() string { return "99999999999999999999" }, 0, -1},
		"past it all": {func() string { return "20" }, 10 * time.Second, -1},
		// A date has whole seconds, so it is up to one second earlier.
		"short date": {func() string { return time.Now().Add(2 * time.Second).UTC().Format(http.TimeFormat) }, 0, time.Second / 2},
		"past date":  {func() string { return "Fri, 01 May 2020 12:00:00 GMT" }, 0, 0},
		"long date":  {func() string { return time.Now().Add(time.Hour).UTC().Format(http.TimeFormat) }, 0, -1},
		"nonsense":   {func() string { return "soon" }, 0, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var first, second time.Time
			srv := serve(t, "https", func(w http.ResponseWriter, r *http.Request) {
				if first.IsZero() {
					first = time.Now()
					w.Header().Set("Retry-After", tt.value())
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				second = time.Now()
				io.WriteString(w, list)
			})
			begin := time.Now()
			resp, err := client(t, srv).Get(t.Context(), Request{URL: srv.URL, Timeout: tt.timeout}, stage(t, openStore(t), "voipbl"))
			if tt.waits < 0 {
				e := wantReason(t, err, ReasonRetryLater)
				if e.Attempts != 1 || !e.NotBefore.After(begin.Add(15*time.Second)) {
					t.Errorf("got %v: %d attempts, not before %v", e, e.Attempts, e.NotBefore)
				}
				if !time.Now().Before(e.NotBefore) {
					t.Errorf("took %v to give up", time.Since(begin))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if resp.Attempts != 2 || second.Sub(first) < tt.waits {
				t.Errorf("%d attempts, the second after %v, want 2 and at least %v", resp.Attempts, second.Sub(first), tt.waits)
			}
		})
	}
}

func TestGetCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	srv := serve(t, "https", func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	_, err := client(t, srv).Get(ctx, Request{URL: srv.URL}, stage(t, openStore(t), "voipbl"))
	if e := wantReason(t, err, ReasonCanceled); !errors.Is(e, context.Canceled) {
		t.Errorf("%v does not wrap context.Canceled", e)
	}

	// Canceled while it waits to retry; the error names the failed attempt.
	ctx, cancel = context.WithCancel(t.Context())
	srv = serve(t, "https", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "20")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	c := client(t, srv)
	c.log = slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		cancel() // the retry has been logged, so the wait begins
		return len(p), nil
	}), nil))
	_, err = c.Get(ctx, Request{URL: srv.URL}, stage(t, openStore(t), "voipbl"))
	if e := wantReason(t, err, ReasonCanceled); !strings.Contains(e.Error(), "503") || e.Attempts != 1 {
		t.Errorf("got %v, want it to name the 503", e)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
