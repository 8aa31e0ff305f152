// Package voipblsh finds what runs the published voipbl.sh on this machine: lines of cron's
// tables and of shell scripts, systemd's services, and the processes that run it now. Of a
// line it tells whether it plainly does nothing else, so that it may be taken out.
//
// It only looks. What voipbl.sh has left in the kernel, and how all of it goes, is the
// business of package migrate.
package voipblsh
