// Package worth says what each list is worth: what only it has, what it has in common with which
// other, what of it is exempt, and what its entries have stopped. It is for "voipbl feeds".
//
// It only reads: the lists' last good copies, the totals of hits and the counters of the kernel's
// sets. It stands on blocklist for the status of the lists, and on cidr, which compares them.
package worth
