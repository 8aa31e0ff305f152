// Package logins finds out who is logged in on this machine over SSH, and from where: from sshd's
// processes and connections, from logind and from utmp. It also finds the caller's own connection,
// and the connections that others have made to this machine.
//
// It only looks. It does not decide whom a login exempts (package exempt does) or which rules a
// login holds back (package lockout does). bans, exempt, lockout, rules, survey and trial import
// it.
package logins
