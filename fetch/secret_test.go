package fetch

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAccess: the headers and the password go to the server of the URL, also after a redirect on it,
// and to no other one; the secret is in no error and no result.
func TestAccess(t *testing.T) {
	const key = "s3cr3t key/+"
	var seen []string
	note := func(who string, r *http.Request) {
		user, password, _ := r.BasicAuth()
		seen = append(seen, fmt.Sprintf("%s %s %s|%s|%s:%s|%s", who, r.URL.Path, r.URL.Query().Get("key"), r.Header.Get("X-Key"), user, password, r.Referer()))
	}
	var away, home *server
	away = serve(t, "https", func(w http.ResponseWriter, r *http.Request) {
		note("away", r)
		if r.URL.Path == "/back" {
			redirectTo(home.URL+"/list")(w, r)
			return
		}
		io.WriteString(w, list)
	})
	home = serve(t, "https", func(w http.ResponseWriter, r *http.Request) {
		note("home", r)
		switch r.URL.Path {
		case "/here":
			redirectTo("/list")(w, r)
		case "/there":
			redirectTo(away.URL+"/list")(w, r)
		case "/back":
			redirectTo(away.URL+"/back")(w, r)
		case "/list":
			io.WriteString(w, list)
		default:
			w.WriteHeader(http.StatusForbidden)
		}
	})
	c := client(t, home)
	secret := NewSecret(key)
	get := func(path string) (Response, error) {
		seen = nil
		return c.Get(t.Context(), Request{
			URL: secret.In(home.URL+path+"?key={s}", "{s}"), Headers: []string{secret.Into("X-Key: {s}", "{s}")}, User: "pbx", Secret: secret,
		}, stage(t, openStore(t), "voipbl"))
	}
	const all = key + "|pbx:" + key + "|"
	for path, want := range map[string][]string{
		"/list":  {"home /list " + key + "|" + all},
		"/here":  {"home /here " + key + "|" + all, "home /list |" + all},
		"/there": {"home /there " + key + "|" + all, "away /list ||:|"},
		"/back":  {"home /back " + key + "|" + all, "away /back ||:|", "home /list ||:|"},
	} {
		r, err := get(path)
		if err != nil || strings.Join(seen, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: %v, %q; want %q", path, err, seen, want)
		}
		if strings.Contains(fmt.Sprint(r), "s3cr3t") {
			t.Errorf("%s: %v", path, r)
		}
	}
	for _, path := range []string{"/no", secret.In("/{s}/no", "{s}")} {
		if _, err := get(path); err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestReadSecret: a secret is one line that only its owner may read.
func TestReadSecret(t *testing.T) {
	dir := t.TempDir()
	write := func(text string, mode os.FileMode) string {
		path := filepath.Join(dir, "secret")
		os.Remove(path)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if got, err := ReadSecret(write(" key \n", 0o600)); got != "key" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for text, mode := range map[string]os.FileMode{
		"key": 0o640, "key\n": 0o604, "": 0o600, "\n": 0o600, "a\nb": 0o600, "ä": 0o600, strings.Repeat("x", maxSecret+1): 0o600,
	} {
		_, err := ReadSecret(write(text, mode))
		var e *fetchError
		if !errors.As(SecretFile("list", "f", err), &e) || e.Reason != ReasonSecret || strings.Contains(err.Error(), "key") {
			t.Errorf("%q %o: %v", text, mode, err)
		}
	}
	for _, path := range []string{filepath.Join(dir, "absent"), dir} {
		_, err := ReadSecret(path)
		var e *fetchError
		if !errors.As(SecretFile("list", path, err), &e) || e.Feed == "" && e.Reason == ReasonSecret {
			t.Errorf("%s: %v", path, err)
		}
	}
}
