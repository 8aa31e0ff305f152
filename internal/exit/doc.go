// Package exit has the exit codes of commands, and an error that carries one.
// cmd/voipbl and setup use it; it imports nothing of voipbl.
//
// It prints nothing and does not end the program; package main does.
package exit
