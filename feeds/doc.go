// Package feeds gets each list from its source or its last good copy, and decides whether to
// believe it: by its form, by the configured limits, and by what the list was like before.
//
// It never looks at the rules, and it does not remove exempt addresses: package blocklist
// combines the lists and does that. agent, top, advise, setup, show and cmd/voipbl import it
// too. It stands on fetch for downloads and copies, on cidr for reading lines, and on ipsetsync
// to read the live sets.
package feeds
