package testhost

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
)

// mirrorPattern finds a mirror in what apt-get would fetch: a file of the main
// component, which third parties' archives for the suite mostly lack.
var mirrorPattern = regexp.MustCompile(`(?m)^'((?:https?|file):[^']+)/dists/` + suite + `/main/binary-[^']*'`)

// aptMirror is the mirror of the suite that the machine's own apt uses, or empty
// if it uses none, as on another distribution: debootstrap then has its own.
func aptMirror() (string, error) {
	out, err := exec.Command("apt-get", "update", "--print-uris").Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("ask apt-get for its mirror: %w", err)
	}
	if m := mirrorPattern.FindSubmatch(out); m != nil {
		return string(m[1]), nil
	}
	return "", nil
}
