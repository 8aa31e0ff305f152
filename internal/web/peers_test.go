package web

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestPeers uses real servers: localhost, 127.0.0.2 and a proxy at 127.0.0.3 stand for
// three hosts.
func TestPeers(t *testing.T) {
	listener, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if to, rest, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/"); to != "" {
			http.Redirect(w, r, fmt.Sprintf("http://%s:%s/%s", to, port, rest), http.StatusFound)
		}
	})}
	go server.Serve(listener)
	defer server.Close()
	for name, c := range map[string]struct {
		url, proxy string
		want       []string
	}{
		"alone":             {"http://LOCALHOST:" + port, "", []string{"localhost 127.0.0.1 "}},
		"redirects":         {"http://localhost:" + port + "/127.0.0.2/127.0.0.3/localhost", "", []string{"localhost 127.0.0.1 ", "127.0.0.2 127.0.0.2 redirect", "127.0.0.3 127.0.0.3 redirect"}},
		"proxy":             {"http://lists.invalid/", "http://127.0.0.3:" + port, []string{"127.0.0.3 127.0.0.3 proxy", "lists.invalid  "}},
		"proxy, redirected": {"http://lists.invalid/cdn.invalid", "http://127.0.0.3:" + port, []string{"127.0.0.3 127.0.0.3 proxy", "lists.invalid  ", "cdn.invalid  redirect"}},
		"in other letters":  {"http://b\u00fccher.invalid/", "http://127.0.0.3:" + port, []string{"127.0.0.3 127.0.0.3 "}},
		"no name":           {"http://a%C2%9B31mb.invalid/", "http://127.0.0.3:" + port, []string{"127.0.0.3 127.0.0.3 "}},
		"nobody there":      {"http://127.0.0.1:1/", "", []string{"127.0.0.1  "}},
	} {
		u, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		var peers Peers
		transport := &http.Transport{DisableKeepAlives: true}
		if c.proxy != "" {
			proxy, err := url.Parse(c.proxy)
			if err != nil {
				t.Fatal(err)
			}
			transport.Proxy = http.ProxyURL(proxy)
		}
		client := http.Client{Transport: transport, CheckRedirect: func(next *http.Request, _ []*http.Request) error {
			peers.Redirected(next.URL)
			return nil
		}}
		r, err := http.NewRequestWithContext(peers.Begin(t.Context(), u), http.MethodGet, c.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := client.Do(r); err == nil {
			resp.Body.Close()
		}
		var got []string
		for _, p := range peers.All() {
			addr := ""
			if p.Addr.IsValid() {
				addr = p.Addr.String()
			}
			got = append(got, fmt.Sprintf("%s %s %s", p.Host, addr, p.Role))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		peers.Again(u)
		if all := peers.All(); len(all) > 1 || len(all) == 1 && all[0].Addr.IsValid() {
			t.Errorf("%s, again: %v", name, all)
		}
	}
}
