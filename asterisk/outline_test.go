package asterisk

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOutline(t *testing.T) {
	for text, want := range map[string]Outline{
		"":                                   {},
		"[a]\nx=1\n[b](a)\n[a](+)":           {Sections: []string{"a", "b"}},
		"\uFEFF[a]\r\n":                      {Sections: []string{"a"}},
		"[a](!)\nx=1\n":                      {},
		";-- [a]\n[b]\n--;\n[c]\n":           {Sections: []string{"c"}},
		"[a]\n;-----\n;--\n[b]\n;--\n--;\nx": {Sections: []string{"a"}, Comment: 3},
		"#include x.conf\n[a]\n":             {Sections: []string{"a"}},
	} {
		if d := cmp.Diff(want, OutlineOf(text)); d != "" {
			t.Errorf("%q: %s", text, d)
		}
	}
}
