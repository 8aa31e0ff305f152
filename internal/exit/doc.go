// Package exit has the exit codes of commands, and an error that carries one.
// cmd/voipbl and the packages of its verbs use it.
//
// It prints nothing and does not end the program; package main does.
package exit
