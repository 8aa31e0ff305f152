package exit

import "fmt"

// Exit codes that several verbs have. Those of check are like grep's.
const (
	OK         = 0
	NotApplied = 1 // the kernel is as it was
	Usage      = 2 // usage or configuration
	Stale      = 3 // in force, but a feed is stale or held back
	Proposed   = 4 // setup has proposed something and changed nothing, for nobody has agreed
)

// Error ends the program with a code. The error, if there is one, is shown first.
type Error struct {
	Code int
	Err  error
}

func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit %d", e.Code)
	}
	return e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }
