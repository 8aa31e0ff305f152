package enroll

import (
	"fmt"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fleet/document"
	"github.com/voipbl/voipbl/fleet/hub"
	"github.com/voipbl/voipbl/internal/problem"
)

// lostDocument is why the hub does not have the document that was published last; nil if it has it, or none
// was published. Hosts keep the one that they have, but one that joins gets none.
func (h *hubRun) lostDocument(seen *hub.Survey) *problem.Problem {
	if h.op.Published == 0 {
		return nil
	}
	key, err := config.ParseDocumentKey(h.op.DocumentKey)
	if err != nil || key == (config.DocumentKey{}) {
		return nil // "publish" says so
	}
	is := "has lost the operator's document"
	if len(seen.Document) > 0 {
		d, err := document.Verify(seen.Document, key)
		switch {
		case err != nil:
			is = "has a document that hosts do not take (" + err.Error() + ")"
		case d.Serial < h.op.Published:
			is = fmt.Sprintf("has the operator's document with the serial %d, which is older than the one that was published last", d.Serial)
		default:
			return nil
		}
	}
	return &problem.Problem{
		Reason: "document", Error: fmt.Sprintf("the hub %s (%d); hosts keep the one that they have, and new ones get none", is, h.op.Published),
		Remedy: "voipbl fleet publish FILE, with the signed document",
	}
}
