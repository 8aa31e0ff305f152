package fetch

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const list = "# TOTAL NETBLOCK: 2\n192.0.2.1/32\n198.51.100.0/24\n"

func TestGetFresh(t *testing.T) {
	for _, scheme := range []string{"https", "h2"} {
		for _, coding := range []string{"", "gzip"} {
			t.Run(scheme+" "+coding, func(t *testing.T) {
				body := []byte(list)
				if coding != "" {
					body = gzipped(t, list)
				}
				srv := serve(t, scheme, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("ETag", `"v1"`)
					w.Header().Set("Last-Modified", "Fri, 01 May 2026 00:00:00 GMT")
					if coding != "" {
						w.Header().Set("Content-Encoding", coding)
					}
					w.Header().Set("Content-Length", strconv.Itoa(len(body)))
					w.Write(body)
				})
				st := stage(t, openStore(t), "voipbl")
				var got, total int64
				resp, err := client(t, srv).Get(t.Context(), Request{
					Feed: "voipbl", URL: srv.URL + "/update/",
					Progress: func(g, n int64) { got, total = g, n },
				}, st)
				if err != nil {
					t.Fatal(err)
				}
				want := Response{
					ETag: `"v1"`, LastModified: "Fri, 01 May 2026 00:00:00 GMT",
					URL: srv.URL + "/update/", Attempts: 1, Bytes: int64(len(list)), Status: 200,
				}
				if diff := cmp.Diff(want, resp, cmpopts.IgnoreFields(Response{}, "Talked")); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if got != int64(len(body)) || total != int64(len(body)) {
					t.Errorf("progress ended at %d of %d, want %d on the wire", got, total, len(body))
				}
				if body := content(t, st.section(0, st.size)); body != list {
					t.Errorf("staged %q", body)
				}
				for part := range st.Parts() {
					if want := (Part{Name: srv.URL + "/update/", Size: int64(len(list))}); part != want {
						t.Errorf("got part %v, want %v", part, want)
					}
				}
				r := <-srv.requests
				if (r.ProtoMajor == 2) != (scheme == "h2") {
					t.Errorf("spoke %s", r.Proto)
				}
				if got, want := r.UserAgent(), "voipbl/1.2.3 (+https://voipbl.org/)"; got != want {
					t.Errorf("got User-Agent %q, want %q", got, want)
				}
				if r.Header.Get("If-None-Match") != "" || r.Header.Get("If-Modified-Since") != "" {
					t.Error("an unconditional request has conditions")
				}
			})
		}
	}
}

func TestGetNotModified(t *testing.T) {
	srv := serve(t, "https", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") == `"v1"` && r.Header.Get("If-Modified-Since") == "then" {
			w.Header().Set("ETag", `"v1b"`)
		}
		w.WriteHeader(http.StatusNotModified)
	})
	st := stage(t, openStore(t), "voipbl")
	io.WriteString(st, "as it was")
	resp, err := client(t, srv).Get(t.Context(), Request{URL: srv.URL, ETag: `"v1"`, LastModified: "then"}, st)
	if err != nil {
		t.Fatal(err)
	}
	// The new ETag is kept, and the date that was not repeated stays.
	want := Response{NotModified: true, ETag: `"v1b"`, LastModified: "then", URL: srv.URL, Attempts: 1, Status: 304}
	if diff := cmp.Diff(want, resp, cmpopts.IgnoreFields(Response{}, "Talked")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := content(t, st.section(0, st.size)); got != "as it was" {
		t.Errorf("something was written: %q", got)
	}

	_, err = client(t, srv).Get(t.Context(), Request{URL: srv.URL}, st)
	wantReason(t, err, ReasonStatus)
}

// TestGetBadValidator: a validator that net/http refuses to send is neither kept nor
// sent; it would make every later fetch fail.
func TestGetBadValidator(t *testing.T) {
	srv := serve(t, "https", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", "\"caf\xe9\"")
		io.WriteString(w, list)
	})
	st := stage(t, openStore(t), "voipbl")
	resp, err := client(t, srv).Get(t.Context(), Request{URL: srv.URL, ETag: "a\nb", LastModified: strings.Repeat("x", 2000)}, st)
	if err != nil {
		t.Fatal(err)
	}
	if resp.ETag != "" {
		t.Errorf("kept %q", resp.ETag)
	}
	if r := <-srv.requests; r.Header["If-None-Match"] != nil || r.Header["If-Modified-Since"] != nil {
		t.Errorf("sent %v", r.Header)
	}
}

func TestGetQueryUntouched(t *testing.T) {
	srv := serve(t, "https", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/old" {
			w.Header().Set("Location", "/new?"+r.URL.RawQuery)
			w.WriteHeader(http.StatusFound)
		}
	})
	const query = "bc=&wc=FR,de&wn[]=RIPE&wn[]=ARIN&x=%5b+%2B&&=;"
	if _, err := client(t, srv).Get(t.Context(), Request{URL: srv.URL + "/old?" + query}, stage(t, openStore(t), "f")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"/old?" + query, "/new?" + query} {
		if got := (<-srv.requests).RequestURI; got != want {
			t.Errorf("asked for %s, want %s", got, want)
		}
	}
}

// TestGetStatus: every status but 200 is an error, and only temporary ones are retried.
func TestGetStatus(t *testing.T) {
	for status, attempts := range map[int]int{
		201: 1, 203: 1, 204: 1, 206: 1, 300: 1, 400: 1, 401: 1, 403: 1, 404: 1, 410: 1, 418: 1, 501: 1, 599: 4,
		408: 4, 425: 4, 429: 4, 500: 4, 502: 4, 503: 4, 504: 4,
	} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			srv := serve(t, "https", func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(status)
				if status != 204 {
					io.WriteString(w, list)
				}
			})
			st := stage(t, openStore(t), "voipbl")
			_, err := client(t, srv).Get(t.Context(), Request{Feed: "voipbl", URL: srv.URL}, st)
			e := wantReason(t, err, ReasonStatus)
			if e.Attempts != attempts || len(srv.requests) != attempts {
				t.Errorf("%d attempts, %d of them arrived, want %d", e.Attempts, len(srv.requests), attempts)
			}
			if !strings.Contains(e.Error(), `feed "voipbl": `+srv.URL) || !strings.Contains(e.Error(), strconv.Itoa(status)) {
				t.Errorf("the error does not say what failed: %v", e)
			}
			if st.Size() != 0 {
				t.Errorf("%d bytes of an error page are staged", st.Size())
			}
		})
	}
}

// TestGetStorage: a fetch that cannot write, for example to a full disk, says so.
func TestGetStorage(t *testing.T) {
	srv := serve(t, "https", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, list) })
	st := stage(t, openStore(t), "voipbl")
	st.Discard()
	_, err := client(t, srv).Get(t.Context(), Request{URL: srv.URL}, st)
	if e := wantReason(t, err, ReasonStorage); e.Attempts != 1 || e.Feed != "voipbl" {
		t.Errorf("got %v after %d attempts, want one attempt and the feed's name", e, e.Attempts)
	}
}

// TestGetProxy runs in a process of its own, because net/http reads the proxy from the
// environment only once.
func TestGetProxy(t *testing.T) {
	if u := os.Getenv("VOIPBL_TEST_URL"); u != "" {
		st := stage(t, openStore(t), "voipbl")
		_, err := client(t).Get(t.Context(), Request{URL: u, Insecure: true}, st)
		if os.Getenv("http_proxy") == "http://user:s3cret@bad host" {
			wantReason(t, err, ReasonUnreachable)
		} else if got := content(t, st.section(0, st.size)); err != nil || got != list {
			t.Fatalf("got %q, %v", got, err)
		}
		return
	}
	proxy := serve(t, "http", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, list) })
	for _, env := range []string{proxy.URL, "http://user:s3cret@bad host"} {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestGetProxy$")
		child.Env = append(os.Environ(), "VOIPBL_TEST_URL=http://feed.invalid/x?wn[]=", "http_proxy="+env, "HTTP_PROXY=", "no_proxy=", "NO_PROXY=")
		if out, err := child.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if got, want := (<-proxy.requests).RequestURI, "http://feed.invalid/x?wn[]="; got != want {
		t.Errorf("the proxy was asked for %s, want %s", got, want)
	}
}
