package agent

import (
	"fmt"
	"slices"
	"time"

	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/ipsetsync"
)

// appliedFile remembers which feeds have entries in the kernel.
const appliedFile = "applied"

// applied is what the last sync put in force.
type applied struct {
	At    time.Time `json:"at"`
	Feeds []string  `json:"feeds"` // that had a copy
}

// keepLive returns the feeds without a copy whose entries may be in the kernel
// nevertheless: those that were applied before, or all if what was applied is
// not known, because the state folder was lost. Their last good list is the
// kernel's, and leaving it out would lose protection. A feed that never had a
// copy is not among them: while it fails, other feeds can shrink.
func keepLive(store *fetch.Store, feeds []*feed, lives [2]*ipsetsync.Live) []string {
	var last applied
	err := store.ReadJSON(appliedFile, &last)
	var missing []string
	for _, f := range feeds {
		if f.report.State == FeedMissing && (err != nil || slices.Contains(last.Feeds, f.Name)) {
			missing = append(missing, f.Name)
		}
	}
	return missing
}

// setApplied remembers the feeds that are in force now. One whose entries were
// kept from the kernel stays remembered.
func setApplied(store *fetch.Store, feeds []*feed, now time.Time) error {
	var last applied
	store.ReadJSON(appliedFile, &last) // unknown is empty
	names := []string{}
	for _, f := range feeds {
		if f.report.State != FeedMissing || slices.Contains(last.Feeds, f.Name) {
			names = append(names, f.Name)
		}
	}
	if slices.Equal(names, last.Feeds) {
		return nil
	}
	if err := store.WriteJSON(appliedFile, applied{now, names}); err != nil {
		return fmt.Errorf("what is in force is not remembered: %w", err)
	}
	return nil
}
