package connect

import (
	"errors"
	"fmt"
	"strings"
)

// The lines around what voipbl has written into a file of others.
const (
	begin = "; voipbl: begin. \"voipbl pbx connect\" writes these lines, \"voipbl pbx disconnect\" takes them out."
	end   = "; voipbl: end"

	blockBegins = "; voipbl: begin" // also of another version
)

// wasOpen is among voipbl's lines if the text before them ended without a line break.
const wasOpen = "; voipbl: before, the line above ended the file, without a line break\n"

// older is the first line of voipbl's own file as builds before the release wrote it, without marks.
const older = "; Written by \"voipbl pbx connect\"; \"voipbl pbx disconnect\" removes it.\n"

// isOlder reports whether a text is such a file, to which nobody has added a line.
func isOlder(text string) bool {
	lines, ok := strings.CutPrefix(text, older)
	if !ok {
		return false
	}
	lines = strings.TrimPrefix(lines, wasNoFolder)
	first, last, _ := strings.Cut(manager, "%s")
	secret, ok := strings.CutPrefix(lines, first)
	secret, whole := strings.CutSuffix(secret, last)
	return ok && whole && !strings.Contains(secret, "\n")
}

var errBlock = errors.New("voipbl's lines in it have lost their first or last one, so it is not known which they are: take them out by hand")

// openError is about a text that ends in a comment: lines at its end would belong to that.
type openError struct{ line int }

func (e *openError) Error() string {
	return fmt.Sprintf("the comment that begins in line %d with \";--\" does not end, so lines of voipbl would belong to it: end it with \"--;\"", e.line)
}

// withBlock returns a text without voipbl's lines with these at its end, or without any.
func withBlock(rest, lines string) string {
	if lines == "" {
		return rest
	}
	if rest != "" && !strings.HasSuffix(rest, "\n") {
		rest += "\n"
		lines = wasOpen + lines
	}
	return rest + begin + "\n" + lines + end + "\n"
}

// withoutBlock takes voipbl's lines out of a text, and the line break that they needed, unless
// something follows them now.
func withoutBlock(text string) (string, error) {
	if isOlder(text) {
		return "", nil
	}
	var rest strings.Builder
	inside, open := false, 0 // open is where a line break was added
	for line := range strings.Lines(text) {
		switch trimmed := strings.TrimSpace(line); {
		case strings.HasPrefix(trimmed, blockBegins):
			if inside {
				return "", errBlock
			}
			inside = true
		case trimmed == end:
			if !inside {
				return "", errBlock
			}
			inside = false
		case !inside:
			rest.WriteString(line)
		case line == wasOpen:
			open = rest.Len()
		}
	}
	if inside {
		return "", errBlock
	}
	if open > 0 && open == rest.Len() {
		return strings.TrimSuffix(rest.String(), "\n"), nil
	}
	return rest.String(), nil
}
