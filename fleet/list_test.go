package fleet

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fleet/link"
)

var (
	aSum = strings.Repeat("ab", 32)
	aKey = link.ListKey("https://lists.example.net/a.txt")
)

// TestListKey: another URL is another list, and one with a secret in it is nobody else's.
func TestListKey(t *testing.T) {
	seen := make(map[string]config.URL)
	for _, u := range []config.URL{
		"https://lists.example.net/a.txt", "https://lists.example.net/b.txt", "http://lists.example.net/a.txt",
		"https://lists.example.net/a.txt?bc=de", "https://lists.example.net:8443/a.txt",
	} {
		key := link.ListKey(u)
		if other, twice := seen[key]; twice || !link.IsListKey(key) {
			t.Errorf("%s has the key %q, as %s", u, key, other)
		}
		seen[key] = u
	}
	for _, u := range []config.URL{"", "https://user:password@lists.example.net/a.txt", "https://lists.example.net/a.txt?key=0a1b2c3d4e5f", "https://lists.example.net/a.txt?token=x"} {
		if key := link.ListKey(u); key != "" {
			t.Errorf("%s goes by the fleet, as %s", u, key)
		}
	}
}

// TestDecodeList: what a mirror says is read as it was said, with ages that have gone on since; what is odd says nothing.
func TestDecodeList(t *testing.T) {
	l := link.List{Key: aKey, SHA256: aSum, Bytes: 1234, Entries: 56, Age: time.Hour, Failing: true}
	o, err := DecodeList(ListSubject(aKey), EncodeList("acme_hub", l), time.Minute)
	want := link.Offer{List: l, From: "acme_hub", Said: time.Minute}
	want.Age = time.Hour + time.Minute
	if err != nil || o != want {
		t.Errorf("%+v, %v; want %+v", o, err, want)
	}
	good := func() map[string]any {
		return map[string]any{"from": "acme_hub", "sha256": aSum, "bytes": 1, "entries": 1, "age": 1, "new in another version": []int{1}}
	}
	for name, change := range map[string]func(m map[string]any){
		"":                 func(map[string]any) {},
		"no name":          func(m map[string]any) { m["from"] = "\x1b[2J" },
		"no sum":           func(m map[string]any) { m["sha256"] = aSum[2:] },
		"upper case":       func(m map[string]any) { m["sha256"] = strings.ToUpper(aSum) },
		"from the future":  func(m map[string]any) { m["age"] = -1 },
		"less than nobody": func(m map[string]any) { m["entries"] = -1 },
		"no number":        func(m map[string]any) { m["bytes"] = "many" },
		"long":             func(m map[string]any) { m["more"] = strings.Repeat("x", MaxManifest) },
	} {
		m := good()
		change(m)
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if o, err := DecodeList(ListSubject(aKey), text, 0); (err == nil) != (name == "") {
			t.Errorf("%s: %+v, %v", name, o, err)
		}
	}
	if _, err := DecodeList("v1.list.x", EncodeList("acme_hub", l), 0); err == nil {
		t.Error("x is a list's key")
	}
	old := good()
	old["age"] = int64(1) << 62
	text, _ := json.Marshal(old)
	if o, err := DecodeList(ListSubject(aKey), text, time.Hour); err != nil || o.Age < mostTime {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestNews: the latest word of the source counts, whoever has it, and mirrors do not talk against each other.
func TestNews(t *testing.T) {
	const self = Name("acme_hub")
	other := strings.Repeat("cd", 32)
	for _, c := range []struct {
		what string
		mine link.List
		hub  *link.Offer
		want bool
	}{
		{"the hub has nothing", link.List{SHA256: aSum}, nil, true},
		{"as I said", link.List{SHA256: aSum, Age: time.Hour}, &link.Offer{From: "acme_hub", List: link.List{SHA256: aSum, Age: time.Hour + 2*time.Second}}, false},
		{"fetched again, unchanged", link.List{SHA256: aSum}, &link.Offer{From: "acme_hub", List: link.List{SHA256: aSum, Age: time.Hour}}, true},
		{"another mirror is ahead", link.List{SHA256: aSum, Age: 2 * time.Hour}, &link.Offer{From: "zeta_hub", List: link.List{SHA256: other, Age: time.Hour}}, false},
		{"another mirror is behind", link.List{SHA256: aSum, Age: time.Hour}, &link.Offer{From: "zeta_hub", List: link.List{SHA256: other, Age: 2 * time.Hour}}, true},
		{"another mirror is as far", link.List{SHA256: aSum, Age: time.Hour}, &link.Offer{From: "zeta_hub", List: link.List{SHA256: other, Age: time.Hour}}, false},
		{"the source does not answer me any more", link.List{SHA256: aSum, Age: time.Hour, Failing: true}, &link.Offer{From: "acme_hub", List: link.List{SHA256: aSum, Age: time.Hour}}, true},
		{"nor has it", link.List{SHA256: aSum, Age: time.Hour, Failing: true}, &link.Offer{From: "acme_hub", Said: time.Minute, List: link.List{SHA256: aSum, Age: time.Hour, Failing: true}}, false},
		{"nor for long", link.List{SHA256: aSum, Age: time.Hour, Failing: true}, &link.Offer{From: "acme_hub", Said: ListBeat, List: link.List{SHA256: aSum, Age: time.Hour, Failing: true}}, true},
		{"it does not answer me, but another", link.List{SHA256: aSum, Age: 2 * time.Hour, Failing: true}, &link.Offer{From: "zeta_hub", List: link.List{SHA256: aSum, Age: time.Hour}}, false},
	} {
		if got := News(self, c.mine, c.hub); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}
