// Package cidr holds prefixes as values: it reads them from the text of a
// feed, screens them, aggregates them to the smallest set that covers the same
// addresses, subtracts one set from another and answers what a set covers.
//
// It is the pure middle of the program: bytes come in from package fetch, sets
// go out to package ipsetsync, and nothing here opens a file, a socket or a
// log. Both address families run through the same code: a prefix is a string
// of bits, and an IPv4 address is merely a shorter one.
//
//	feed text ── Scanner ──► prefixes ── Policy ──► Builder ──► Set ── Subtract ──► Set
package cidr
