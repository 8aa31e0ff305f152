package feeds

import (
	"fmt"
	"os"

	"github.com/dustin/go-humanize"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/memory"
)

// EntryLimit is how many entries one list may have.
type EntryLimit struct {
	Entries int    `json:"entries"`
	Auto    bool   `json:"auto"`             // from this host's memory, not configured
	Memory  uint64 `json:"memory,omitempty"` // in bytes, if known
}

// LimitOf returns the configured limit or, if it is auto, what this host's memory allows.
func LimitOf(l config.Limits) EntryLimit {
	if l.MaxEntries != config.EntriesAuto {
		return EntryLimit{Entries: l.MaxEntries}
	}
	total, err := memory.Total(os.DirFS("/"))
	if err != nil {
		total = 0
	}
	return EntryLimit{memory.Entries(total), true, total}
}

// Words returns the limit and where it comes from, such as "460,000 (limits.max_entries: auto,
// by 1.0 GiB of memory)".
func (l EntryLimit) Words() string {
	n := humanize.Comma(int64(l.Entries))
	switch {
	case !l.Auto:
		return n + " (limits.max_entries)"
	case l.Memory == 0:
		return n + " (limits.max_entries: auto, and how much memory there is cannot be known)"
	}
	return fmt.Sprintf("%s (limits.max_entries: auto, by %s of memory)", n, humanize.IBytes(l.Memory))
}

// copyEntries is how many entries a last good copy may have. It does not depend on memory: a
// list that was believed is not refused because this host has less memory now.
func copyEntries(l config.Limits) int {
	if l.MaxEntries != config.EntriesAuto {
		return l.MaxEntries
	}
	return memory.Most
}

// EntriesHere is how many entries one list may have on this host.
func EntriesHere(cfg config.Config) EntryLimit { return LimitOf(cfg.Limits) }
