// Package logins tells who is logged in on this machine, and from where: by the processes
// and connections of sshd, by logind and by utmp. It tells which connection the caller's own
// is, and what connections others have made to this machine.
//
// It only looks. Who is exempt for being logged in is decided in package exempt, and what
// an open session holds back in package rules.
package logins
