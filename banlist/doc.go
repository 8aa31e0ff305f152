// Package banlist is the list of this host's own bans: which there are, when each
// ends, and how they are written down. It is pure: it reads no file and no clock.
//
// Bans are written down in a journal, one line a change, so that a ban costs the same
// however many there are. A list is what is left when the lines are read in their
// order.
package banlist
