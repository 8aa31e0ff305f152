package fetch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/web"
)

// failingOnce answers the first request with fail and all others with the list.
func failingOnce(fail http.HandlerFunc) http.HandlerFunc {
	calls := 0
	return func(w http.ResponseWriter, r *http.Request) {
		if calls++; calls == 1 {
			fail(w, r)
			return
		}
		io.WriteString(w, list)
	}
}

// TestGetRetriesAndStartsAfresh: a connection that breaks within the body costs one
// more attempt, and no byte of the first stays in the result.
func TestGetRetriesAndStartsAfresh(t *testing.T) {
	packed := gzipped(t, strings.Repeat(list, 5000))
	tests := map[string]http.HandlerFunc{
		"500": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) },
		"short of its Content-Length": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000000")
			w.Write(bytes.Repeat([]byte("192.0.2.9\n"), 50_000))
		},
		"cut between chunks": func(w http.ResponseWriter, r *http.Request) {
			w.Write(bytes.Repeat([]byte("192.0.2.9\n"), 50_000))
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		},
		"gzip cut short": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(packed[:len(packed)-9])
		},
		"gzip with a byte changed": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			bad := bytes.Clone(packed)
			bad[len(bad)-6] ^= 1 // its CRC
			w.Write(bad)
		},
		"gzip in name only": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, list)
		},
		"gzip of nothing": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.(http.Flusher).Flush()
		},
		"closed before the header": func(w http.ResponseWriter, r *http.Request) {
			panic(http.ErrAbortHandler)
		},
	}
	for name, fail := range tests {
		for _, scheme := range []string{"https", "h2"} {
			t.Run(name+" "+scheme, func(t *testing.T) {
				srv := serve(t, scheme, failingOnce(fail))
				st := stage(t, openStore(t), "voipbl")
				resp, err := client(t, srv).Get(t.Context(), Request{URL: srv.URL}, st)
				if err != nil {
					t.Fatal(err)
				}
				if resp.Attempts != 2 || resp.Bytes != int64(len(list)) {
					t.Errorf("got %+v, want the list at the second attempt", resp)
				}
				if got := content(t, st.section(0, st.size)); got != list {
					t.Errorf("staged %.80q…, want only the second body", got)
				}
			})
		}
	}
}

func TestGetGivesUp(t *testing.T) {
	tests := map[string]struct {
		handler  http.HandlerFunc
		reason   Reason
		attempts int
	}{
		"always short of its Content-Length": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, list)
		}, ReasonTruncated, 4},
		"always corrupt": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, list)
		}, ReasonCorrupt, 4},
		"a coding not asked for": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			io.WriteString(w, list)
		}, ReasonCorrupt, 1},
		"a header without end": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X", strings.Repeat("x", web.MaxHeader+1))
		}, ReasonProtocol, 4},
		"not HTTP": {func(w http.ResponseWriter, r *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			io.WriteString(conn, "220 mail.example.net ESMTP\r\n")
			conn.Close()
		}, ReasonProtocol, 4},
		"no answer": {func(w http.ResponseWriter, r *http.Request) {
			panic(http.ErrAbortHandler)
		}, ReasonUnreachable, 4},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			srv := serve(t, "https", tt.handler)
			_, err := client(t, srv).Get(t.Context(), Request{URL: srv.URL}, stage(t, openStore(t), "voipbl"))
			if e := wantReason(t, err, tt.reason); e.Attempts != tt.attempts {
				t.Errorf("%d attempts, want %d: %v", e.Attempts, tt.attempts, e)
			}
		})
	}
}

// TestGetEmpty: an empty body is a success; feeds decides whether a list may be empty.
func TestGetEmpty(t *testing.T) {
	srv := serve(t, "https", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Length", "0")
	})
	st := stage(t, openStore(t), "voipbl")
	if resp, err := client(t, srv).Get(t.Context(), Request{URL: srv.URL}, st); err != nil || resp.Bytes != 0 {
		t.Fatalf("got %+v, %v", resp, err)
	}
}

// TestGetTooLarge: at most one byte more than MaxBytes reaches the disk, and there is
// no retry.
func TestGetTooLarge(t *testing.T) {
	const limit = 20_000
	bomb := gzipped(t, strings.Repeat("\n", 100*limit))
	if len(bomb) > limit {
		t.Fatalf("%d bytes are no bomb", len(bomb))
	}
	tests := map[string]struct {
		handler http.HandlerFunc
		most    int64 // staged
	}{
		"said so": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(limit+1))
			w.Write(make([]byte, limit+1))
		}, 0},
		"did not say": {func(w http.ResponseWriter, r *http.Request) {
			for range 100 {
				w.Write(make([]byte, limit/10))
			}
		}, limit + 1},
		"gzip bomb": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bomb)
		}, limit + 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			srv := serve(t, "https", tt.handler)
			st := stage(t, openStore(t), "voipbl")
			_, err := client(t, srv).Get(t.Context(), Request{URL: srv.URL, MaxBytes: limit}, st)
			if e := wantReason(t, err, ReasonTooLarge); e.Attempts != 1 {
				t.Errorf("%d attempts, want 1", e.Attempts)
			}
			st.flush()
			info, err := st.temp.Stat()
			if err != nil {
				t.Fatal(err)
			}
			if info.Size() > tt.most {
				t.Errorf("%d bytes on disk, want at most %d", info.Size(), tt.most)
			}
		})
	}
	t.Run("just as much", func(t *testing.T) {
		srv := serve(t, "https", func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, limit)) })
		if _, err := client(t, srv).Get(t.Context(), Request{URL: srv.URL, MaxBytes: limit}, stage(t, openStore(t), "voipbl")); err != nil {
			t.Fatal(err)
		}
	})
}

func TestGetTooSlow(t *testing.T) {
	const deadline = 100 * time.Millisecond
	tests := map[string]func(http.ResponseWriter){
		"the header": func(w http.ResponseWriter) {},
		"the body": func(w http.ResponseWriter) {
			io.WriteString(w, list)
			w.(http.Flusher).Flush()
		},
	}
	for name, begin := range tests {
		t.Run(name, func(t *testing.T) {
			srv := serve(t, "https", func(w http.ResponseWriter, r *http.Request) {
				begin(w)
				<-r.Context().Done()
			})
			c, st := client(t, srv), stage(t, openStore(t), "voipbl")
			start := time.Now()
			_, err := c.Get(t.Context(), Request{URL: srv.URL, Timeout: deadline}, st)
			e := wantReason(t, err, ReasonTooSlow)
			if !errors.Is(e, context.DeadlineExceeded) {
				t.Errorf("%v does not wrap context.DeadlineExceeded", e)
			}
			if took := time.Since(start); took >= defaultTimeout {
				t.Errorf("took %v with a deadline of %v", took, deadline)
			}
		})
	}
}

// TestGetHangs: a connection that hangs costs one attempt, not the whole time.
func TestGetHangs(t *testing.T) {
	srv := serve(t, "https", failingOnce(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	c := client(t, srv)
	c.transport.ResponseHeaderTimeout = 500 * time.Millisecond
	resp, err := c.Get(t.Context(), Request{URL: srv.URL}, stage(t, openStore(t), "voipbl"))
	if err != nil || resp.Attempts != 2 {
		t.Errorf("got %+v, %v, want success at the second attempt", resp, err)
	}

	srv = serve(t, "https", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	c = client(t, srv)
	c.transport.ResponseHeaderTimeout = 20 * time.Millisecond
	_, err = c.Get(t.Context(), Request{URL: srv.URL}, stage(t, openStore(t), "voipbl"))
	if e := wantReason(t, err, ReasonTooSlow); e.Attempts != 4 {
		t.Errorf("%d attempts, want 4", e.Attempts)
	}
}

func TestGetUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // a port where nobody listens
	c := client(t)
	_, err = c.Get(t.Context(), Request{URL: "https://user:s3cret@" + l.Addr().String() + "/x"}, stage(t, openStore(t), "voipbl"))
	e := wantReason(t, err, ReasonUnreachable)
	if !errors.Is(e, syscall.ECONNREFUSED) || e.Attempts != 4 {
		t.Errorf("got %v, want ECONNREFUSED after 4 attempts", e)
	}
	if want := "https://xxxxx@" + l.Addr().String() + "/x"; e.Object != want {
		t.Errorf("got object %s, want %s", e.Object, want)
	}
}

func TestGetTLS(t *testing.T) {
	srv := serve(t, "https", func(w http.ResponseWriter, r *http.Request) {})
	_, err := client(t).Get(t.Context(), Request{URL: srv.URL}, stage(t, openStore(t), "voipbl")) // whose CA is not known
	if e := wantReason(t, err, ReasonTLS); e.Attempts != 1 {
		t.Errorf("%d attempts, want 1", e.Attempts)
	}

	plain := serve(t, "http", func(w http.ResponseWriter, r *http.Request) {})
	_, err = client(t).Get(t.Context(), Request{URL: "https" + strings.TrimPrefix(plain.URL, "http")}, stage(t, openStore(t), "voipbl"))
	if e := wantReason(t, err, ReasonTLS); e.Attempts != 1 {
		t.Errorf("%d attempts, want 1", e.Attempts)
	}
}

func TestGetBadURL(t *testing.T) {
	for _, u := range []string{
		"", "voipbl.org/update/", "https://", "https:///x", "ftp://example.net/x", "file:///etc/passwd",
		"http://example.net/", "https://user:s3cret@bad host/", "user:s3cret@example.net", "/user:s3cret@x", "https://user:%zzs3cret@example.net/",
		"://user:s3cret@x", "https://example.net/\x00",
	} {
		_, err := client(t).Get(t.Context(), Request{Feed: "f", URL: u}, stage(t, openStore(t), "voipbl"))
		wantReason(t, err, ReasonBadURL)
	}
}

// TestEndOfTheDeadline: a body that ends exactly at the deadline is not complete: a
// server that notices the closed connection may end its chunks as if it were.
func TestEndOfTheDeadline(t *testing.T) {
	caller, cancel := context.WithCancelCause(t.Context())
	over, end := context.WithDeadline(caller, time.Unix(0, 0))
	defer end()
	d, err := newDownload(caller, client(t), Request{URL: "https://lists.example/list", Feed: "list"}, stage(t, openStore(t), "list"))
	if err != nil {
		t.Fatal(err)
	}
	body := func() *http.Response {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(list)), ContentLength: int64(len(list)), Request: &http.Request{URL: d.url}}
	}
	if err := d.receive(body()); err != nil {
		t.Errorf("in time: %v", err)
	}
	d.ctx = over
	wantReason(t, d.fail(d.judge(d.receive(body()))), ReasonTooSlow)
	cancel(errors.New("the host is being shut down"))
	wantReason(t, d.fail(d.judge(d.receive(body()))), ReasonCanceled)
}
