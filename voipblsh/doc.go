// Package voipblsh finds what runs the published voipbl.sh on this machine: lines in cron's tables
// and in shell scripts, systemd services, and processes. For each line it decides whether the line
// certainly does nothing else, so that it may be removed.
//
// It only looks. It does not deal with what voipbl.sh has left in the kernel: package migrate does,
// and removes everything. migrate, survey and advise import it.
package voipblsh
