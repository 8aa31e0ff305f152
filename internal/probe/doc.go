// Package probe is how a machine is looked at: a [Look] reads its files below a root, knows
// its processes, runs its programs and asks its systemd, and keeps what it could not find
// out, with the reason and a remedy.
//
// It bounds what it reads and how long it waits, and changes nothing. What the files and
// answers mean is the business of the packages that look: host, logins, asterisk, pbx,
// fail2ban and voipblsh. Package survey puts together what they find.
package probe
