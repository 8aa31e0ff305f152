// Package fail2ban asks fail2ban which logs its jails read, whom they have banned, and where they
// put bans. It finds out why fail2ban does not start, and which logs a jail reads in vain.
//
// It only asks, through fail2ban-client, and changes nothing. It does not deal with voipbl's own
// bans (package bans does) or with the names of fail2ban's rules and sets (internal/banrule has
// them). survey imports it, and setup and advise for its facts.
package fail2ban
