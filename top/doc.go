// Package top ranks the blocked addresses and networks by the packets that the kernel's sets
// have counted, and names the lists that they are from. It is for "voipbl top".
//
// It changes nothing, and keeps no history on disk: counts are those of the present entries.
// Only cmd/voipbl imports it. It stands on ipsetsync for the counters and on fetch for the
// lists' last good copies.
package top
