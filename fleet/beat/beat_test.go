package beat

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/fleet"
)

// full is a heartbeat of a host that is well.
func full() Beat {
	return Beat{
		Version: "1.4.0", Agent: true, Protected: true, Problems: []string{}, Sets: "0c81aa", Entries: 71642,
		Lists:    map[string]List{"voipbl": {Digest: "ab12", Age: 7200}, "mine": {Digest: "cd34", Age: 60}},
		Document: 7, Sequence: 88121, Bans: 12, Repairs: 1, Uptime: 86400, Clock: -2,
	}
}

// TestThereAndBack: what is sent is read.
func TestThereAndBack(t *testing.T) {
	got, err := Decode(Encode(full()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(full(), got); diff != "" {
		t.Error(diff)
	}
	if age, ok := got.OldestList(); age != 7200 || !ok {
		t.Errorf("the oldest list: %d, %v", age, ok)
	}
}

// TestBounded: whatever a host has, its heartbeat is stored; and what it has too much of is left out.
func TestBounded(t *testing.T) {
	b := Beat{
		Version: strings.Repeat("\"", 200), Agent: true, Sets: strings.Repeat("f", 200), Entries: 1 << 30, Bans: 1 << 30, Repairs: 1 << 30,
		Document: 1 << 63, Sequence: 1 << 63, Uptime: 1<<63 - 1, Clock: -1 << 62, Lists: map[string]List{},
	}
	for i := range 200 {
		b.Problems = append(b.Problems, strings.Repeat("a", 25)+strings.Repeat("b", 1+i%5)+string(rune('a'+i%26)))
		b.Lists[fmt.Sprintf("%063d", i)] = List{Digest: strings.Repeat("<", 80), Age: 1<<63 - 1}
	}
	text := Encode(b)
	if len(text) > MaxMessage || len(text) < MaxMessage/2 {
		t.Errorf("%d bytes", len(text))
	}
	got, err := Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Lists) != maxLists || len(got.Problems) != maxProblems || got.Uptime != mostSeconds || got.Clock != -mostSeconds || got.Sequence != most {
		t.Errorf("%+v", got)
	}
}

// TestHostile: what a host sends that is somebody else's gets to nobody's screen, and confuses nobody.
func TestHostile(t *testing.T) {
	for text, want := range map[string]Beat{
		"{}": {},
		`{"version":"2.0.0","unknown":{"a":[1]},"protected":true,"agent":true}`:                              {Version: "2.0.0", Protected: true, Agent: true},
		`{"version":7,"protected":"yes","agent":true,"bans":"many","entries":12}`:                            {Agent: true, Entries: 12},
		"{\"version\":\"\\u001b[2J\\u202e1<b>\",\"sets\":\"\\n\"}":                                           {Version: "?[2J???1?b?", Sets: "?"},
		`{"problems":["no-drop","no-drop","Empty","a b","\u001b[31m","","` + strings.Repeat("a", 33) + `"]}`: {Problems: []string{"no-drop"}},
		`{"entries":-5,"bans":-1,"repairs":-1,"uptime":-9,"clock":-9}`:                                       {Clock: -9},
		`{"version":"~ \"","problems":["` + strings.Repeat("a", maxText) + `"]}`:                             {Version: "~ ?", Problems: []string{strings.Repeat("a", maxText)}},
		`{"sets":"a"}` + strings.Repeat(" ", MaxMessage-len(`{"sets":"a"}`)):                                 {Sets: "a"},
		`{"sequence":-1,"entries":1e300,"clock":99999999999999999999}`:                                       {},
		`{"lists":{"a\u0000b":{"digest":"\u001b","age":-4},"c":7}}`:                                          {Lists: map[string]List{"a?b": {"?", 0}, "c": {}}},
	} {
		got, err := Decode([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if want.Problems == nil {
			want.Problems = []string{}
		}
		if want.Lists == nil {
			want.Lists = map[string]List{}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	for _, text := range []string{"", "{", "null x", "[]", "7", `"text"`, strings.Repeat("[", MaxMessage), "{}" + strings.Repeat(" ", MaxMessage-1), "{\"version\":\"" + strings.Repeat("a", MaxMessage) + "\"}"} {
		if got, err := Decode([]byte(text)); err == nil {
			t.Errorf("%.40s: %+v", text, got)
		}
	}
}

func TestSubject(t *testing.T) {
	if n, ok := ParseSubject(Subject("acme_pbx7")); n != "acme_pbx7" || !ok {
		t.Errorf("%q, %v", n, ok)
	}
	for _, s := range []string{"", "v1.host.", "v1.host.acme", "v1.host.acme_pbx1.x", "v1.host.*", "acme_pbx1", "v1.ban.acme_pbx1"} {
		if n, ok := ParseSubject(s); ok {
			t.Errorf("%s: %s", s, n)
		}
	}
}

// TestWords: each word has a meaning in words, and one of another version is shown as it is.
func TestWords(t *testing.T) {
	for word, text := range words {
		if !isWord(word) || text == "" || Words(word) != text {
			t.Errorf("%q: %q", word, text)
		}
	}
	if got := Words("new-trouble"); got != "new-trouble" {
		t.Error(got)
	}
}

// TestAlike: what is told at once is whether the host is protected, and which problems it has.
func TestAlike(t *testing.T) {
	b := full()
	b.Entries, b.Uptime, b.Sequence, b.Lists = 1, 2, 3, nil
	if !Alike(full(), b) {
		t.Error("other numbers are told at once")
	}
	for _, change := range []func(*Beat){
		func(b *Beat) { b.Agent = false }, func(b *Beat) { b.Protected = false }, func(b *Beat) { b.Problems = []string{Stale} },
	} {
		b := full()
		change(&b)
		if Alike(full(), b) {
			t.Errorf("%+v", b)
		}
	}
}

// FuzzDecode: what is read is bounded, printable and the same when it is sent on.
func FuzzDecode(f *testing.F) {
	f.Add(Encode(full()))
	f.Add([]byte(`{"lists":{"` + strings.Repeat("\x7f", 300) + `":{"age":1}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := Decode(text)
		if err != nil {
			return
		}
		again := Encode(b)
		if len(again) > MaxMessage {
			t.Errorf("%d bytes", len(again))
		}
		for _, c := range again {
			if c < ' ' || c > '~' {
				t.Errorf("%q", again)
			}
		}
		if twice, err := Decode(again); err != nil || cmp.Diff(b, twice) != "" {
			t.Errorf("%v: %s", err, cmp.Diff(b, twice))
		}
		_ = Judge(Host{Name: fleet.Name("acme_pbx1"), At: aTime, Beat: b}, "", aTime)
	})
}
