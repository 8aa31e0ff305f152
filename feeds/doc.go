// Package feeds gets each list from its source or its last good copy, and judges whether it
// can be believed: by its form, by the configured limits, and by its own past.
//
// It never asks what the rules are. What is never blocked is taken out later, by package
// blocklist, which puts the lists together.
package feeds
