// Package bans keeps the addresses that this host blocks by itself: by hand, or for fail2ban.
// It writes them into a journal, fills their sets in the kernel, and brings the two together
// again when one was lost.
//
// Who is exempt is never banned. Lists from elsewhere are the business of package blocklist.
package bans
