// Package dns resolves the DNS names of friends to addresses and keeps the history of
// each name: [Ask] asks for the addresses of a name and, for SIP, of the servers in its
// SRV records (RFC 3263); [Known.Merge] computes from an answer and the earlier
// addresses which of them still count. It reads and writes no files and does not decide
// who is exempt: package exempt does, which keeps the history. It imports no package of
// voipbl.
package dns
