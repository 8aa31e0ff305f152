// Package migrate takes the published script voipbl.sh out of a host, when voipbl blocks
// what it blocked: its cron file, its set and its rules.
package migrate
