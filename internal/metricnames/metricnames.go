// Package metricnames finds the names of voipbl's metrics in text, so that tests
// can hold against each other what the agent serves, what the dashboard shows and
// what the alert rules ask for. It is pure, reads no file, and does not parse
// PromQL: whatever looks like a name of ours counts, also in a comment.
package metricnames

import (
	"regexp"
	"slices"
)

// pattern wants a whole name: "voipbl_feed_*" in a comment is none, and neither is
// what follows another prefix.
var pattern = regexp.MustCompile(`\bvoipbl_[a-z0-9_]*[a-z0-9]\b`)

// In gives the names of metrics that begin with "voipbl_" in all the texts, sorted,
// each of them once.
func In(texts ...[]byte) []string {
	var names []string
	for _, text := range texts {
		for _, name := range pattern.FindAll(text, -1) {
			names = append(names, string(name))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
