// Package exit says how a command ends: by which exit code, and with which error.
//
// It prints nothing; package main does, and ends the program.
package exit
