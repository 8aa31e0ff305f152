// Package show prints results for people: what sync, status, check and doctor have found, what
// happened to the rules, and what is in the way.
//
// It finds out nothing and decides nothing. cmd/voipbl and setup import it. It stands on screen for
// the terminal, and on the packages whose reports it prints.
package show
