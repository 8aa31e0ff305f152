// Package allowlist is the list of the hosts that "voipbl allow" never lets be blocked:
// which there are, until when, and how the list is written down. It is pure: it reads no
// file and no clock.
//
// The list is short, so each change writes all of it. It is kept in several places, and
// of those that are whole the newest counts: a file that is damaged, or that could not be
// written, takes nothing away.
package allowlist
