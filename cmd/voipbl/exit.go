package main

import "fmt"

// Exit codes that several verbs have. Those of check are like grep's.
const (
	exitOK         = 0
	exitNotApplied = 1 // the kernel is as it was
	exitUsage      = 2 // usage or configuration
	exitStale      = 3 // in force, but a feed is stale or held back
	exitProposed   = 4 // setup has proposed something and changed nothing, for nobody has agreed
)

// exitError ends the program with a code. The error, if there is one, is shown first.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }
