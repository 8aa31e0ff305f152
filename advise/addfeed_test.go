package advise

import (
	"strings"
	"testing"

	"github.com/voipbl/voipbl/config"
)

// TestWithFeed: the feed is added at the end of the list, and nothing else of the text changes.
func TestWithFeed(t *testing.T) {
	const item = "- name: drop\n  url: https://lists.example.net/drop\n  format: json\n  field: cidr\n"
	cfg, err := config.Parse("", []byte("feeds:\n"+item))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ text, want string }{
		"at the end":   {"feeds:\n  - name: a\n    path: /a\n", "feeds:\n  - name: a\n    path: /a\n\n  # setup: why\n  - name: drop\n    url: https://lists.example.net/drop\n    format: json\n    field: cidr\n"},
		"not indented": {"feeds:\n- name: a\n  path: /a\nallow: []\n", "feeds:\n- name: a\n  path: /a\n\n# setup: why\n- name: drop\n  url: https://lists.example.net/drop\n  format: json\n  field: cidr\nallow: []\n"},
		"comments":     {"# mine\nfeeds: # these\n  - {name: a, path: /a}  # b\n  # - name: c\n\n# more\nallow: []\n", "# mine\nfeeds: # these\n  - {name: a, path: /a}  # b\n\n  # setup: why\n  - name: drop\n    url: https://lists.example.net/drop\n    format: json\n    field: cidr\n  # - name: c\n\n# more\nallow: []\n"},
	} {
		got, with, err := WithFeed([]byte(test.text), cfg.Feeds[0], item, "why")
		if string(got) != test.want || err != nil || len(with.Feeds) != 2 {
			t.Errorf("%s: %v\n%s", name, err, got)
		}
		if again, _, err := WithFeed(got, cfg.Feeds[0], item, "why"); string(again) != string(got) || err != nil {
			t.Errorf("%s, again: %v\n%s", name, err, again)
		}
	}
	for _, text := range []string{"", "# nothing\n", "allow: [203.0.113.10]"} {
		got, with, err := WithFeed([]byte(text), cfg.Feeds[0], item, "why")
		if err != nil || len(with.Feeds) != len(config.Default().Feeds)+1 || !strings.HasPrefix(string(got), text) {
			t.Errorf("%q: %v\n%s", text, err, got)
		}
	}
	if _, _, err := WithFeed([]byte("feeds: [{name: a, path: /a}]\n"), cfg.Feeds[0], item, "why"); err == nil || !strings.Contains(err.Error(), "by hand") {
		t.Errorf("a list in brackets: %v", err)
	}
}
