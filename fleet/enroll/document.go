package enroll

import (
	"slices"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fleet/document"
	"github.com/voipbl/voipbl/fleet/hub"
)

// documentPatience is how long after the hub got a document a heartbeat may tell of the former one: hosts take it
// within seconds, and send a heartbeat each minute.
const documentPatience = 2 * time.Minute

// due is the operator's document that hosts are to have.
type due struct {
	serial uint64    // 0: none was published
	from   time.Time // of which heartbeat on
}

// by is the serial that a host is to have that sent a heartbeat at a time; 0: none.
func (d due) by(at time.Time) uint64 {
	if at.Before(d.from) {
		return 0
	}
	return d.serial
}

// document is the one that hosts are to have, also if the hub has lost it.
func (h *hubRun) document(seen *hub.Survey) (d due) {
	d.serial = h.op.Published
	if !seen.Published.IsZero() {
		d.from = seen.Published.Add(documentPatience)
	}
	return d
}

// oneSite is the site of all hosts that are not revoked, if there are several and no document says that its word
// counts: by itself, it then counts nowhere. Else it is "".
func (h *hubRun) oneSite(all []HostStatus, seen *hub.Survey) (site string) {
	n := 0
	for _, host := range all {
		if !host.Revoked.IsZero() {
			continue
		}
		if n++; n > 1 && host.Name.Site() != site {
			return ""
		}
		site = host.Name.Site()
	}
	if n < 2 || h.trusts(site, all, seen) {
		return ""
	}
	return site
}

// trusts reports whether the document at the hub says that the word of a site counts, or that of one of its hosts.
func (h *hubRun) trusts(site string, all []HostStatus, seen *hub.Survey) bool {
	key, err := config.ParseDocumentKey(h.op.DocumentKey)
	if err != nil || len(seen.Document) == 0 {
		return false
	}
	d, err := document.Verify(seen.Document, key)
	return err == nil && (slices.Contains(d.Trust, site) ||
		slices.ContainsFunc(all, func(h HostStatus) bool { return slices.Contains(d.Trust, h.Name.String()) }))
}
