package ruleset

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestKeptPorts: base rules with one range are stored as versions without lists store them, and read the
// same, in both directions; so is the key by which an admin has confirmed them.
func TestKeptPorts(t *testing.T) {
	for text, want := range map[string]Ports{
		`{"first":5060,"last":5061}`:                              {{First: 5060, Last: 5061}},
		`[{"first":5060,"last":5060},{"first":5160,"last":5160}]`: {{First: 5060, Last: 5060}, {First: 5160, Last: 5160}},
	} {
		var got Ports
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", text, d)
		}
		if back, err := json.Marshal(got); err != nil || string(back) != text {
			t.Errorf("%s becomes %s, %v", text, back, err)
		}
	}
	if err := json.Unmarshal([]byte(`"5060"`), new(Ports)); err == nil {
		t.Error("text is no list of ports")
	}
}
