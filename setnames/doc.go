// Package setnames keeps track of the names of voipbl's own sets in the kernel: those of
// the configuration, those in force, former ones that still exist, and those that another
// program's set has taken. It makes empty ban sets, but does not fill or swap sets: see
// bans and blocklist. All packages that read or write sets use it; it stands on settings,
// state, firewall and ipsetsync.
package setnames
