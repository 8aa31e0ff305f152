package exit

import "fmt"

// Exit codes of several verbs. The exit codes of check are like grep's.
const (
	OK         = 0
	NotApplied = 1 // the kernel is unchanged
	Usage      = 2 // usage or configuration
	Stale      = 3 // in force, but a feed is stale or held back
	Proposed   = 4 // setup has proposed something and changed nothing, because nobody has agreed
)

// Error ends the program with Code. Its error, if any, is shown first.
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
