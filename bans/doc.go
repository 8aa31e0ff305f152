// Package bans keeps the addresses that this host bans itself: by "voipbl ban", or for fail2ban.
// It writes them to a journal, fills their sets in the kernel, and restores one from the other
// if one is lost. An exempt address is never banned.
//
// It does not deal with lists: package blocklist does. blocklist, agent, show and cmd/voipbl
// import it. It stands on banlist, which has bans as pure values, on exempt, ipsetsync and state,
// and on rules for the rules that drop the sets' members.
package bans
