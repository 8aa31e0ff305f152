package connect

import (
	"errors"
	"strings"
)

// The lines around what voipbl has written into a file of others.
const (
	begin = "; voipbl: begin. \"voipbl pbx connect\" writes these lines, \"voipbl pbx disconnect\" takes them out."
	end   = "; voipbl: end"

	blockBegins = "; voipbl: begin" // also of another version
)

var errBlock = errors.New("voipbl's lines in it have lost their first or last one, so it is not known which they are: take them out by hand")

// withBlock returns a text with voipbl's lines at its end, instead of those that it has. Without
// lines it takes them out.
func withBlock(text, lines string) (string, error) {
	rest, err := withoutBlock(text)
	if err != nil || lines == "" {
		return rest, err
	}
	if rest != "" && !strings.HasSuffix(rest, "\n") {
		rest += "\n"
	}
	return rest + begin + "\n" + lines + end + "\n", nil
}

// withoutBlock takes voipbl's lines out of a text.
func withoutBlock(text string) (string, error) {
	var rest strings.Builder
	inside := false
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
		}
	}
	if inside {
		return "", errBlock
	}
	return rest.String(), nil
}
