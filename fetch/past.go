package fetch

import "time"

// A Past is what the lists of a feed were like, as far as that is remembered. The next
// one is judged by it. Shares are parts of a family's space, 0 to 1, by family.
type Past struct {
	Source string    `json:"source"` // of these lists: another source has a past of its own
	At     time.Time `json:"at"`     // when Last was fetched
	Last   Extent    `json:"last"`   // the last good list
	Most   Extent    `json:"most"`   // the largest of each measure, fading since At
	Least  Extent    `json:"least"`  // the smallest of each measure, likewise

	// Aside is when the list was put aside (see [Store.PutAside]) that turnover is
	// measured by; zero if none was.
	Aside time.Time `json:"aside,omitzero"`

	// Turned is the share of a list's entries that may be gone as a rule: as many
	// as were when such a list was last believed, fading likewise.
	Turned float64 `json:"turned,omitempty"`
}

// An Extent is how much a list blocks.
type Extent struct {
	Entries  float64    `json:"entries"`
	Coverage [2]float64 `json:"coverage"` // the share that it covers
	Widest   [2]float64 `json:"widest"`   // the share of its widest block
}
