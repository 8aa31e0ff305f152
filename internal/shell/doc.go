// Package shell parses a shell script, such as an action of fail2ban's, and returns the
// commands in it with their words and input, as far as the text itself has them. Package
// fail2ban uses it; it imports nothing of voipbl.
//
// It runs nothing. Text that only a shell could compute, such as the result of "$(…)",
// stays unknown.
package shell
