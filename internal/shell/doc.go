// Package shell reads the text of a shell script, such as an action of fail2ban's, and tells
// which commands are in it, with what words and what input, as far as the text itself says.
//
// Nothing is run, and what only a shell would know, as what "$(…)" gives, stays unknown.
package shell
