// Package cidr reads prefixes from the text of a feed, drops special-purpose space,
// aggregates the rest to the smallest set that covers the same addresses, subtracts one
// set from another and answers what a set covers.
//
// It only computes: it opens no file and no socket and writes no log. Text comes in
// from package fetch, sets go out to package ipsetsync. It imports no package of
// voipbl; nearly all of them import it. IPv4 and IPv6 run through the same code: a
// prefix is a string of bits, and an IPv4 address is a shorter one.
//
//	feed text ── Scanner ──► prefixes ── Policy ──► Builder ──► Set ── Subtract ──► Set
package cidr
