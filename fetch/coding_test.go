package fetch

import (
	"bytes"
	"context"
	"math"
	"net/http"
	"testing"
	"time"
)

// TestGetNamesOfGzip: names of content codings are case-insensitive, and gzip has two
// names.
func TestGetNamesOfGzip(t *testing.T) {
	for _, name := range []string{"gzip", "x-gzip", "GZIP", "X-Gzip", "identity", "Identity"} {
		srv := serve(t, "https", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", name)
			if name[0]|0x20 == 'i' {
				w.Write([]byte(list))
			} else {
				w.Write(gzipped(t, list))
			}
		})
		st := stage(t, openStore(t), "voipbl")
		if _, err := client(t, srv).Get(t.Context(), Request{URL: srv.URL}, st); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := content(t, st.section(0, st.size)); got != list {
			t.Errorf("%s: %.80q", name, got)
		}
	}
}

// TestGetWrongChecksum: a body with a wrong checksum is corrupt, not truncated.
func TestGetWrongChecksum(t *testing.T) {
	srv := serve(t, "https", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		bad := gzipped(t, list)
		bad[len(bad)-6] ^= 1
		w.Write(bad)
	})
	_, err := client(t, srv).Get(t.Context(), Request{URL: srv.URL}, stage(t, openStore(t), "voipbl"))
	wantReason(t, err, ReasonCorrupt)
}

// TestGetCallersDeadline: the end of the caller's deadline counts as too slow, not as
// canceled.
func TestGetCallersDeadline(t *testing.T) {
	srv := serve(t, "https", func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(list))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := client(t, srv).Get(ctx, Request{URL: srv.URL}, stage(t, openStore(t), "voipbl"))
	wantReason(t, err, ReasonTooSlow)
}

// TestGetProgressStartsAfresh: progress counts the bytes of the current attempt only.
func TestGetProgressStartsAfresh(t *testing.T) {
	body := bytes.Repeat([]byte(list), 100)
	srv := serve(t, "https", failingOnce(func(w http.ResponseWriter, r *http.Request) {
		w.Write(body)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	var last int64
	_, err := client(t, srv).Get(t.Context(), Request{URL: srv.URL, Progress: func(got, _ int64) { last = got }}, stage(t, openStore(t), "voipbl"))
	if err != nil || last > int64(len(list)) {
		t.Errorf("%d bytes at the end, %v; the list has %d", last, err, len(list))
	}
}

// TestGetLargestCap: the largest possible MaxBytes does not overflow when one more byte
// is read.
func TestGetLargestCap(t *testing.T) {
	srv := serve(t, "https", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(list)) })
	resp, err := client(t, srv).Get(t.Context(), Request{URL: srv.URL, MaxBytes: math.MaxInt64}, stage(t, openStore(t), "voipbl"))
	if err != nil || resp.Bytes != int64(len(list)) {
		t.Errorf("%+v, %v", resp, err)
	}
}
