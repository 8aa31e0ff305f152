package fetch

import "time"

// A Past is what the earlier lists of a feed were like. The next list is compared with
// it. Shares are parts of a family's address space, 0 to 1, by family.
type Past struct {
	Source string    `json:"source"` // of these lists; another source has its own past
	At     time.Time `json:"at"`     // when Last was fetched
	Last   Extent    `json:"last"`   // the last good list
	Most   Extent    `json:"most"`   // the largest of each measure, decaying since At
	Least  Extent    `json:"least"`  // the smallest of each measure, decaying since At

	// Aside is when the list with which turnover is measured was put aside (see
	// [Store.PutAside]); zero if none was.
	Aside time.Time `json:"aside,omitzero"`

	// Turned is the share of entries that the next list may lack: the largest turnover
	// of a list that was refused for it and accepted later, decaying since At.
	Turned float64 `json:"turned,omitempty"`
}

// An Extent is how much a list blocks.
type Extent struct {
	Entries  float64    `json:"entries"`
	Coverage [2]float64 `json:"coverage"` // the share that the list covers
	Widest   [2]float64 `json:"widest"`   // the share of its widest block
}
