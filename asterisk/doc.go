// Package asterisk reads what Asterisk's configuration says: where it listens, what it logs
// and where, which trunks it has. It reads files as Asterisk itself does, with what they
// include, and tells which lines Asterisk leaves out. A running one is asked from where
// phones are registered.
//
// It only reads. Which program is installed is told by package pbx, and who really listens
// by package host.
package asterisk
