// Package show turns what the other rooms answer into lines for a person: what a sync has done,
// what status, check and doctor have found, what has become of the rules, what stands in the way.
//
// It finds nothing out and decides nothing. How lines come onto a terminal is package screen's.
package show
