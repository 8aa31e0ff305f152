// Package metricnames finds the names of voipbl's metrics in text, so that tests can
// compare the metrics that the agent serves with those in the dashboard and the alert
// rules. It reads no file and does not parse PromQL: everything that looks like a name
// counts, also in a comment. Only tests use it.
package metricnames

import (
	"regexp"
	"slices"
)

// pattern matches complete names only, not "voipbl_feed_*" in a comment, nor a name
// with a prefix.
var pattern = regexp.MustCompile(`\bvoipbl_[a-z0-9_]*[a-z0-9]\b`)

// In returns the names of metrics in all texts, sorted, without duplicates.
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
