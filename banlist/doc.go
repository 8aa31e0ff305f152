// Package banlist is the list of this host's own bans: which bans exist, when each
// ends, and how they are written to the journal. It only computes: it reads no file and
// no clock, and changes no set; packages bans and state use it for that. It stands on
// cidr and internal/deadline.
//
// The journal has one line for each change, so that a ban costs the same however many
// there are. Reading its lines in order gives the list.
package banlist
