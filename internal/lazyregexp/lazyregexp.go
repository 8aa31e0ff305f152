// Package lazyregexp compiles a regular expression when it is first used. Dozens of them,
// compiled at the start, would take a third of the time of a short command. It imports
// nothing of voipbl.
package lazyregexp

import (
	"regexp"
	"sync"
)

// New returns a function that returns the compiled expression. That panics if the
// expression has a mistake; a test compiles all that are in the code.
func New(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
