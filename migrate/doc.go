// Package migrate takes the published script voipbl.sh out of a host, once voipbl blocks what
// the script blocked: its lines in cron, its rules and its sets. It is for "voipbl migrate".
//
// It does not install or start voipbl, and leaves the script's own file alone. It stands on
// blocklist and reach to see what is blocked, on voipblsh to find the script, and on firewall and
// ipsetsync to take out what it made.
package migrate
