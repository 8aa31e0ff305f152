// Package hits counts the packets that each list has stopped, over swaps of the sets and restarts.
//
// The kernel counts for each entry of a set. A swap carries the counts of entries over that stay,
// and those of the others are lost. So before each swap the growth since the last one is added to
// the totals of the lists that had the entry. The totals are a small file of the state folder.
//
// It stands on feeds for the lists' copies. blocklist settles at each sync, the agent every hour, and
// worth and metrics show the totals.
package hits
