// Package fail2ban asks fail2ban what its jails read, whom they have banned and where they
// put a ban; it tells why fail2ban does not start, and which logs a jail reads in vain.
//
// It only asks, by fail2ban-client, and changes nothing. Our own bans are the business of
// package bans, and the names of fail2ban's rules and sets that of internal/banrule.
package fail2ban
