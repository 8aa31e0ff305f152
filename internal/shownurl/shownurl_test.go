package shownurl

import (
	"net/url"
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	const key = "3f2a9c04d1e8b7765a90"
	for text, want := range map[string]string{
		// Unchanged.
		"https://voipbl.org/update/":                                         "",
		"https://voipbl.org/update/?bc=CN,RU&wc=DE&wn[]=RIPE":                "",
		"https://voipbl.org/update/?wn%5B%5D=ARIN":                           "",
		"http://127.0.0.1:8080/list.txt":                                     "",
		"https://iplists.firehol.org/files/firehol_level1.netset":            "",
		"https://raw.githubusercontent.com/a/b/master/blocklist-2026-01.txt": "",
		"https://lists.blocklist.de/lists/sip.txt":                           "",
		"https://[2a00::1]:8443/x":                                           "",
		"https://host/blocklist_net_ua_20260101.ipset.gz":                    "",
		"": "",

		"https://h/list?key=" + key:                           "https://h/list?key=xxxxx",
		"https://h/list?" + key:                               "https://h/list?xxxxx",
		"https://h/list?a=1&bc=CN&key=" + key:                 "https://h/list?a=xxxxx&bc=CN&key=xxxxx",
		"https://h/list?a=&b":                                 "https://h/list?a=&xxxxx",
		"https://h/list?a=1;key=" + key:                       "https://h/list?a=xxxxx",
		"https://h/list?" + key + ";x=1":                      "https://h/list?xxxxx",
		"https://h/list?bc=" + key + "/":                      "https://h/list?bc=xxxxx",
		"https://h?key=" + key:                                "https://h?key=xxxxx",
		"https://h/" + key + "/list.txt":                      "https://h/xxxxx/list.txt",
		"https://h/v2/" + key + ".txt":                        "https://h/v2/xxxxx",
		"https://h/123e4567-e89b-12d3-a456-426614174000/list": "https://h/xxxxx/list",
		"https://h/sk_Live-aB3dE5fG7-hI9jK1/list":             "https://h/xxxxx/list",
		"https://h/deadbeef01234567/list":                     "https://h/xxxxx/list",
		"https://user:" + key + "@h/list":                     "https://xxxxx@h/list",
		"https://" + key + "@h:8443/list?x":                   "https://xxxxx@h:8443/list?xxxxx",
		"https://us/er:" + key + "@h/list":                    "https://us/xxxxx/list",
		"https://h:" + key + "/list":                          "https://h:xxxxx/list",
		"https://h/list#" + key:                               "https://h/list",
		"://h/?k=" + key:                                      "://h/?k=xxxxx",
		"h/list?k=" + key:                                     "h/list?k=xxxxx",
	} {
		if want == "" {
			want = text
		}
		if got := Of(text); got != want {
			t.Errorf("%s is shown as %s, not %s", text, got, want)
		}
	}
}

// FuzzOf: for any URL, a key in a place for keys is hidden, hiding twice changes nothing,
// and the host stays.
func FuzzOf(f *testing.F) {
	f.Add("https", "u:p", "h.example", "a/b", "x=1")
	f.Fuzz(func(t *testing.T, scheme, user, host, path, query string) {
		const key = "s3cr3ts3cr3ts3cr3ts3cr3t"
		for _, text := range []string{
			scheme + "://" + host + "/" + path + "?" + query + "&key=" + key,
			scheme + "://" + host + "/" + path + "?" + query + "&" + key,
			scheme + "://" + user + ":" + key + "@" + host + "/" + path,
			scheme + "://" + host + "/" + path + "/" + key + "/" + path,
		} {
			shown := Of(text)
			if strings.Contains(shown, key) {
				t.Errorf("%q is shown as %q", text, shown)
			}
			if Of(shown) != shown {
				t.Errorf("%q is shown as %q, and that as %q", text, shown, Of(shown))
			}
			if was, err := url.Parse(text); err == nil {
				if is, err := url.Parse(shown); err != nil || is.Host != was.Host && is.Port() == was.Port() {
					t.Errorf("%q is shown as %q: %v", text, shown, err)
				}
			}
		}
	})
}
