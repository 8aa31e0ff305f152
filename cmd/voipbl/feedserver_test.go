package main

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/voipbl/voipbl/internal/testpoll"
)

// feedServer serves feeds that behave as a script says: "feed NAME BEHAVIOUR
// [FILE]" sets what GET /NAME answers from then on.
type feedServer struct {
	certFile string
	plain    *httptest.Server
	secure   *httptest.Server
	stop     chan struct{}
	lock     *os.File

	mu    sync.Mutex
	feeds map[string]behaviour
	count map[string]int
	asked []string // paths and queries in the order of their requests, since "asked"
}

type behaviour struct{ kind, file string }

// redirects reports whether its file is where it leads.
func (b behaviour) redirects() bool { return b.kind == "to-http" || b.kind == "to" }

// startFeedServer listens in the network namespace of the calling thread.
func startFeedServer(dir string) (*feedServer, error) {
	s := &feedServer{
		certFile: filepath.Join(dir, "ca.pem"), stop: make(chan struct{}),
		feeds: make(map[string]behaviour), count: make(map[string]int),
	}
	for _, start := range []struct {
		address string
		server  **httptest.Server
		begin   func(*httptest.Server)
	}{
		{"127.0.0.1:8080", &s.plain, (*httptest.Server).Start},
		{"127.0.0.1:8443", &s.secure, (*httptest.Server).StartTLS},
	} {
		l, err := net.Listen("tcp", start.address)
		if err != nil {
			return nil, err
		}
		server := httptest.NewUnstartedServer(s)
		server.Listener.Close()
		server.Listener = l
		start.begin(server)
		*start.server = server
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.secure.Certificate().Raw})
	return s, os.WriteFile(s.certFile, cert, 0o644)
}

func (s *feedServer) close() {
	close(s.stop)
	s.plain.Close()
	s.secure.Close()
}

func (s *feedServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	s.mu.Lock()
	b := s.feeds[name]
	s.count[name]++
	n := s.count[name]
	s.asked = append(s.asked, r.URL.RequestURI())
	s.mu.Unlock()
	text, err := os.ReadFile(b.file)
	if b.file != "" && !b.redirects() && err != nil {
		http.Error(w, err.Error(), http.StatusTeapot)
		return
	}
	switch b.kind {
	case "ok":
		serve(w, r, text)
	case "flaky": // fails the first time
		if n == 1 {
			http.Error(w, "try again", http.StatusInternalServerError)
			return
		}
		serve(w, r, text)
	case "gzip":
		w.Header().Set("Content-Encoding", "gzip")
		zip := gzip.NewWriter(w)
		zip.Write(text)
		zip.Close()
	case "bomb": // 1 GiB of comments in 1 MB
		w.Header().Set("Content-Encoding", "gzip")
		zip := gzip.NewWriter(w)
		line := []byte(strings.Repeat("#", 1023) + "\n")
		for range 1 << 20 {
			if _, err := zip.Write(line); err != nil {
				return
			}
		}
		zip.Close()
	case "endless":
		line := []byte(strings.Repeat("8.8.8.8\n", 1000))
		for {
			if _, err := w.Write(line); err != nil {
				return
			}
		}
	case "cut": // the connection ends in the middle
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		w.Write(text[:len(text)/2])
	case "hang": // begins and never goes on
		w.Write(text[:len(text)/2])
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
		case <-s.stop:
		}
	case "silent": // takes the request and never answers
		select {
		case <-r.Context().Done():
		case <-s.stop:
		}
	case "slow": // answers after a while
		select {
		case <-time.After(300 * time.Millisecond):
		case <-s.stop:
		}
	case "later": // asks for a pause of an hour
		w.Header().Set("Retry-After", "3600")
		http.Error(w, "later", http.StatusTooManyRequests)
	case "by-proxy": // as the proxy, which wants user and password
		if user, password, ok := proxyUser(r); r.URL.Host != "lists.invalid" || !ok || user != "user" || password != "s3cr3t" {
			w.Header().Set("Proxy-Authenticate", "Basic")
			http.Error(w, "who are you", http.StatusProxyAuthRequired)
			return
		}
		serve(w, r, text)
	case "400": // with a body, as APIBAN says that there is no more
		w.WriteHeader(http.StatusBadRequest)
		w.Write(text)
	case "private": // for those who know the secret, in a header or as a password
		if _, password, _ := r.BasicAuth(); password != "s3cr3tkey" && r.Header.Get("X-Api-Key") != "s3cr3tkey" {
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		serve(w, r, text)
	case "to": // anywhere, whether it is a URL or not
		w.Header().Set("Location", b.file)
		w.WriteHeader(http.StatusFound)
	case "to-http":
		http.Redirect(w, r, "http://127.0.0.1:8080/"+b.file, http.StatusFound)
	default:
		code, err := strconv.Atoi(b.kind)
		if err != nil {
			code = http.StatusNotFound
		}
		http.Error(w, http.StatusText(code), code)
	}
}

// proxyUser is BasicAuth for a proxy.
func proxyUser(r *http.Request) (user, password string, ok bool) {
	return (&http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}).BasicAuth()
}

// serve answers with an ETag, and with 304 where it matches.
func serve(w http.ResponseWriter, r *http.Request, text []byte) {
	w.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprintf("%x", sha256.Sum256(text))[:16]))
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(text)))
}

func setFeed(ts *testscript.TestScript, _ bool, args []string) {
	b := behaviour{kind: args[1]}
	if len(args) > 2 {
		b.file = args[2]
		if !b.redirects() {
			b.file = ts.MkAbs(b.file)
		}
	}
	held(ts).set(args[0], b)
}

// set sets what GET /name answers from now on.
func (s *feedServer) set(name string, b behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.feeds[name] = b
	s.count[name] = 0
}

// requests asserts how many requests there were since feed: requests NAME N.
func requests(ts *testscript.TestScript, _ bool, args []string) {
	s := held(ts)
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := strconv.Itoa(s.count[args[0]]); got != args[1] {
		ts.Fatalf("%s requests for %s, not %s", got, args[0], args[1])
	}
}

// asked asserts what was asked for since it was last called, in any order: asked [PATH?QUERY ...].
func asked(ts *testscript.TestScript, _ bool, args []string) {
	s := held(ts)
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.asked
	s.asked = nil
	slices.Sort(got)
	slices.Sort(args)
	if !slices.Equal(got, args) {
		ts.Fatalf("asked for\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(args, "\n"))
	}
}

// awaitAsked waits until something was asked for: await-asked PATH?QUERY.
func awaitAsked(ts *testscript.TestScript, _ bool, args []string) {
	s := held(ts)
	there := func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return slices.Contains(s.asked, args[0])
	}
	if !testpoll.Until(scriptPatience, there) {
		ts.Fatalf("not asked for within %v: %s", scriptPatience, args[0])
	}
}
