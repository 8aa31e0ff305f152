package feeds

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
)

// appliedFile is the file that says which feeds have entries in the kernel.
const appliedFile = "applied"

// appliedVersion is the version of a file that names only feeds with a copy. Older files may
// name feeds that never had one.
const appliedVersion = 2

// applied is what the last sync applied.
type applied struct {
	Version int       `json:"version"`
	At      time.Time `json:"at"`
	Feeds   []string  `json:"feeds"` // those that had a copy

	// Fetched is when the list in force of each feed from the network was fetched. Older
	// versions did not write it; it is empty if none of them had a copy.
	Fetched map[string]time.Time `json:"fetched,omitzero"`

	// Configured are all feeds, also those without a copy. Older versions did not write it.
	Configured []string `json:"configured,omitzero"`
}

// knew reports whether a feed was configured under this name when the lists were last applied.
// Then it is not another feed's new name. It is false if that is not known.
func (a *applied) knew(name string) bool { return a != nil && slices.Contains(a.Configured, name) }

// waits reports whether a feed's fetched list is newer than the one in force. A local file
// only waits for the first apply that reads it.
func (a *applied) waits(f Status) bool {
	switch {
	case a == nil || a.Fetched == nil:
		return false
	case f.File:
		return !f.FetchedAt.IsZero() && !slices.Contains(a.Feeds, f.Name)
	}
	return f.FetchedAt.After(a.Fetched[f.Name])
}

// Waiting returns when the lists were fetched that are newer than those in force.
func Waiting(store *fetch.Store, feeds []config.Feed) map[string]time.Time {
	all, last := make(map[string]time.Time), readApplied(store)
	for _, f := range feeds {
		if f.URL == "" {
			continue
		}
		c, err := store.Open(f.Name)
		if err != nil {
			continue
		}
		s := Status{Name: f.Name, FetchedAt: c.Meta().FetchedAt}
		c.Close()
		if last.waits(s) {
			all[f.Name] = s.FetchedAt
		}
	}
	return all
}

// readApplied reads what the last sync applied; nil if that is not known.
func readApplied(store *fetch.Store) *applied {
	var last applied
	if store.ReadJSON(appliedFile, &last) != nil {
		return nil
	}
	return &last
}

// SetApplied writes down which feeds are configured, and which with a copy are in force now.
func SetApplied(store *fetch.Store, feeds []*Feed, now time.Time) error {
	names, configured, fetched := []string{}, []string{}, make(map[string]time.Time)
	for _, f := range feeds {
		configured = append(configured, f.Name)
		if f.Report.State != Missing {
			names = append(names, f.Name)
			if f.URL != "" {
				fetched[f.Name] = f.Report.FetchedAt
			}
		}
	}
	if last := readApplied(store); last != nil && last.Version == appliedVersion && slices.Equal(names, last.Feeds) && slices.Equal(configured, last.Configured) && maps.EqualFunc(fetched, last.Fetched, time.Time.Equal) {
		return nil
	}
	if err := store.WriteJSON(appliedFile, applied{appliedVersion, now, names, fetched, configured}); err != nil {
		return fmt.Errorf("what is in force is not remembered: %w", err)
	}
	return nil
}

// hadCopy reports whether a feed that has no copy now had one before, as far as is known. Then
// its entries may be in the kernel. last is what was applied, or nil if the state folder was
// lost. renamed says that the feed may have been applied under another name.
func hadCopy(f *Feed, last *applied, renamed bool) bool {
	switch {
	case f.damaged, !f.history.LastSuccess.IsZero():
		return true
	case last == nil, renamed:
		return true
	case !slices.Contains(last.Feeds, f.Name):
		return false
	}
	// Believe what an older version wrote, unless the history says that no attempt has ever
	// succeeded.
	return last.Version >= appliedVersion || f.history.LastAttempt.IsZero()
}

// mayBeRenamed reports whether a feed may be a renamed one: a feed was applied that is no
// longer configured, and its old name has a copy from the same source; or none, and the feed's
// name is new.
func mayBeRenamed(store *fetch.Store, f *Feed, feeds []*Feed, last *applied) bool {
	if last == nil {
		return false
	}
	return slices.ContainsFunc(last.Feeds, func(name string) bool {
		if slices.ContainsFunc(feeds, func(f *Feed) bool { return f.Name == name }) {
			return false
		}
		c, err := store.Open(name)
		if err != nil {
			return !last.knew(f.Name)
		}
		defer c.Close()
		return c.Meta().Source == f.source
	})
}
