package feeds

import (
	"net/netip"
	"time"

	"github.com/voipbl/voipbl/internal/problem"
)

// State says where the entries of a feed came from.
type State string

const (
	Fresh     State = "fresh"     // a new body
	Unchanged State = "unchanged" // the source has nothing newer
	Cached    State = "cached"    // the last good copy, as --offline asked
	Stale     State = "stale"     // the source failed: the last good copy
	Held      State = "held"      // a body was not believed: the last good copy
	Missing   State = "missing"   // the source failed, and there is no copy
)

// Report is what a sync found in one feed.
type Report struct {
	Name      string    `json:"name"`
	Source    string    `json:"source"`           // URL without userinfo, or path
	Mirror    string    `json:"mirror,omitempty"` // the host of the fleet that has fetched the list for this one
	State     State     `json:"state"`
	FetchedAt time.Time `json:"fetched_at,omitzero"` // when the entries in force were fetched

	ContentChanged time.Time `json:"content_changed,omitzero"` // when the entries last changed, of a feed from the network
	Frozen         bool      `json:"frozen,omitempty"`         // that was longer ago than frozen_after allows

	Bytes    int64            `json:"bytes"`
	Lines    int              `json:"lines"`    // lines that should be entries
	Entries  int              `json:"entries"`  // entries that were read
	Entries6 int              `json:"entries6"` // how many of them are IPv6
	Prefixes int              `json:"prefixes"` // after aggregation, before what is exempt is left out
	Rejected map[string]int   `json:"rejected"` // lines without a usable entry, by reason
	Rejects  []Reject         `json:"rejects"`  // the first such lines
	Screened []Screened       `json:"screened"` // entries in special-purpose space, by row
	Unkept   bool             `json:"unkept"`   // the list is in force, but no copy of it could be kept
	Problem  *problem.Problem `json:"problem,omitempty"`

	File bool `json:"-"` // the list is a file of this host
}

// Screened counts a feed's entries in one block of special-purpose space.
type Screened struct {
	Prefix  netip.Prefix `json:"prefix"`
	Name    string       `json:"name"`
	Source  string       `json:"source"` // the RFC
	Entries int          `json:"entries"`
}

// Reject is a line without a usable entry.
type Reject struct {
	File   string `json:"file"` // URL or file
	Line   int    `json:"line"`
	Text   string `json:"text"`
	Reason string `json:"reason"` // a key of Report.Rejected
	Why    string `json:"why"`
}
