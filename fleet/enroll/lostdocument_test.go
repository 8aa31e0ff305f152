package enroll

import (
	"strings"
	"testing"

	"github.com/voipbl/voipbl/fleet/hub"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/internal/testdocument"
)

// TestLostDocument: the hub's status says that the hub does not have the document that was published last.
func TestLostDocument(t *testing.T) {
	operator, other := testdocument.New(t), testdocument.New(t)
	h := &hubRun{op: &keys.Operator{DocumentKey: operator.Key().Public().String()}}
	if p := h.lostDocument(&hub.Survey{}); p != nil {
		t.Errorf("none was published: %v", p)
	}
	h.op.Published = 7
	for _, row := range []struct {
		name string
		has  []byte
		says string
	}{
		{"it has it", operator.Sign("serial: 7\n"), ""},
		{"a newer one", operator.Sign("serial: 8\n"), ""},
		{"none", nil, "has lost the operator's document"},
		{"an older one", operator.Sign("serial: 6\n"), "with the serial 6, which is older"},
		{"another operator's", other.Sign("serial: 9\n"), "that hosts do not take"},
	} {
		p := h.lostDocument(&hub.Survey{Document: row.has})
		if (p == nil) != (row.says == "") || p != nil && (!strings.Contains(p.Error, row.says) || !strings.Contains(p.Remedy, "voipbl fleet publish")) {
			t.Errorf("%s: %+v", row.name, p)
		}
	}
}
