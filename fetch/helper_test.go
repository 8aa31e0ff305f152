package fetch

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A server counts the requests that reach its handler.
type server struct {
	*httptest.Server
	requests chan *http.Request
}

// serve starts a server with its own certificate, or without TLS.
func serve(t *testing.T, scheme string, h http.HandlerFunc) *server {
	t.Helper()
	s := &server{requests: make(chan *http.Request, 100)}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests <- r
		h(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	switch scheme {
	case "https":
		s.StartTLS()
	case "h2":
		s.EnableHTTP2 = true
		s.StartTLS()
	default:
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

// client returns a client that trusts the servers' certificates and waits only briefly.
func client(t *testing.T, servers ...*server) *Client {
	t.Helper()
	c := NewClient("1.2.3", nil)
	c.backoff = time.Millisecond
	pool := x509.NewCertPool()
	for _, s := range servers {
		if cert := s.Certificate(); cert != nil {
			pool.AddCert(cert)
		}
	}
	c.transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	return c
}

func openStore(t *testing.T) *Store {
	t.Helper()
	s, err := OpenStore(filepath.Join(t.TempDir(), "feeds"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func stage(t *testing.T, s *Store, name string) *Staged {
	t.Helper()
	st, err := s.Stage(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Discard() })
	return st
}

// keep makes body the last good copy.
func keep(t *testing.T, s *Store, name, body string) {
	t.Helper()
	st := stage(t, s, name)
	if _, err := io.WriteString(st, body); err != nil {
		t.Fatal(err)
	}
	if err := st.Commit(Meta{Source: "test"}); err != nil {
		t.Fatal(err)
	}
}

// readCopy reads a whole copy and verifies it, as callers should.
func readCopy(s *Store, name string) (string, Meta, error) {
	c, err := s.Open(name)
	if err != nil {
		return "", Meta{}, err
	}
	defer c.Close()
	var body bytes.Buffer
	for _, r := range c.Parts() {
		if _, err := io.Copy(&body, r); err != nil {
			return "", Meta{}, err
		}
	}
	return body.String(), c.Meta(), c.Verify()
}

func content(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// wantReason fails unless err is an *Error with this reason and a remedy, without any
// secret of these tests.
func wantReason(t *testing.T, err error, want Reason) *fetchError {
	t.Helper()
	var e *fetchError
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error: %s", err, want)
	}
	if e.Reason != want {
		t.Fatalf("got reason %s, want %s: %v", e.Reason, want, e)
	}
	if e.Remedy() == "" && want != ReasonCanceled {
		t.Errorf("reason %s has no remedy", want)
	}
	if e.Object == "" {
		t.Errorf("%v names no object", e)
	}
	if strings.Contains(e.Error(), "s3cret") {
		t.Errorf("the error tells the password: %v", e)
	}
	return e
}

// files lists the files in the store's folder.
func files(t *testing.T, s *Store) []string {
	t.Helper()
	entries, err := os.ReadDir(s.root.Name())
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names
}

func gzipped(t *testing.T, body string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, body); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func writeFile(t *testing.T, path, body string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
		t.Fatal(err)
	}
}

func isAbsent(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// asNobody runs f without root's right to read everything, in a thread that ends with
// it.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if os.Getuid() == 0 {
			runtime.LockOSThread() // and never unlocked
			if err := unix.Setfsuid(65534); err != nil {
				t.Error(err)
				return
			}
		}
		f()
	}()
	<-done
}
