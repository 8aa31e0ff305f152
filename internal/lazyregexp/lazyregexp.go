// Package lazyregexp compiles a regular expression when it is first used. Dozens of them,
// compiled at the start, would take a third of the time of a short command. It imports
// nothing of voipbl.
package lazyregexp

import (
	"os"
	"regexp"
	"strings"
	"sync"
)

// inTest is true in a test program, which is to find each mistake in an expression.
var inTest = len(os.Args) > 0 && strings.HasSuffix(os.Args[0], ".test")

// New returns a function that returns the compiled expression. It panics on a mistake in
// the expression, in a test program at once.
func New(expression string) func() *regexp.Regexp {
	compiled := sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
	if inTest {
		compiled()
	}
	return compiled
}
