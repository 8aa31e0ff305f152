// Package configfile reads the file of the configuration, says what is wrong with it and what to
// do about that, and writes a new one in its place, with a copy of the old one beside it.
//
// What stands in the file is package config's; which configuration counts beside a running
// agent, the command's.
package configfile
