package agent

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestBansRefused: what comes over the socket and can be no ban neither ends the agent nor
// gets into the list, where no reader would understand it.
func TestBansRefused(t *testing.T) {
	s := newBanServer(nil, nil)
	for _, body := range []string{
		``, `{`, `{"add":[{}]}`, `{"add":[{"prefix":""}]}`, `{"add":[{"prefix":"0.0.0.0/0"}]}`, `{"add":[{"prefix":"::/0"}]}`,
		`{"add":[{"prefix":"5.9.0.9/32","for":-5}]}`, `{"add":[{"prefix":"2a00::/64","address":"::/0"}]}`,
		`{"spared":[""]}`, `{"remove":{"prefixes":[""]}}`, `{"remove":{"prefixes":["5.9.0.9/32","0.0.0.0/0"]}}`,
	} {
		w := httptest.NewRecorder()
		s.serve(w, httptest.NewRequest(http.MethodPost, bansPath, strings.NewReader(body)))
		if w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", body, w.Code)
		}
		if len(s.asks) > 0 {
			t.Fatalf("%s is asked for", body)
		}
	}
}
