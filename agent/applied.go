package agent

import (
	"fmt"
	"slices"
	"time"

	"github.com/voipbl/voipbl/fetch"
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
// not known, because the state folder was lost, or if a feed that was applied
// is not configured any more, because the missing one may be it under a new
// name. Their last good list is the kernel's, and leaving it out would lose
// protection. Otherwise a feed that never had a copy is not among them: while
// it fails, other feeds can shrink.
func keepLive(store *fetch.Store, feeds []*feed) []string {
	var last applied
	unknown := store.ReadJSON(appliedFile, &last) != nil
	for _, name := range last.Feeds {
		unknown = unknown || !slices.ContainsFunc(feeds, func(f *feed) bool { return f.Name == name })
	}
	var missing []string
	for _, f := range feeds {
		if f.report.State == FeedMissing && (unknown || slices.Contains(last.Feeds, f.Name)) {
			missing = append(missing, f.Name)
		}
	}
	return missing
}

// setApplied remembers the feeds that are in force now, those whose entries
// were kept from the kernel among them.
func setApplied(store *fetch.Store, feeds []*feed, kept []string, now time.Time) error {
	names := []string{}
	for _, f := range feeds {
		if f.report.State != FeedMissing || slices.Contains(kept, f.Name) {
			names = append(names, f.Name)
		}
	}
	var last applied
	if store.ReadJSON(appliedFile, &last) == nil && slices.Equal(names, last.Feeds) {
		return nil
	}
	if err := store.WriteJSON(appliedFile, applied{now, names}); err != nil {
		return fmt.Errorf("what is in force is not remembered: %w", err)
	}
	return nil
}
