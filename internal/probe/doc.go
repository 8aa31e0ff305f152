// Package probe looks at a machine: a [Look] reads files below a root folder, lists
// processes, runs programs and asks systemd, and collects what it could not find out, with
// the reason and a remedy.
//
// It limits how much it reads and how long it waits, and changes nothing. It does not
// interpret files and answers: host, logins, asterisk, pbx, fail2ban and voipblsh do,
// and package survey collects their results.
package probe
