package testroot

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
)

// aptMirror is the mirror that the machine's own apt uses: the one that has the
// suite, else the one that has the machine's own suite, where Debian's others are
// as well. It is empty if apt uses none, as on another distribution: debootstrap
// then has its own.
func aptMirror(suite string) (string, error) {
	out, err := exec.Command("apt-get", "update", "--print-uris").Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("ask apt-get for its mirror: %w", err)
	}
	own, err := exec.Command("sh", "-c", ". /etc/os-release && echo $ID $VERSION_CODENAME").Output()
	if err != nil {
		return "", fmt.Errorf("read /etc/os-release: %w", err)
	}
	suites := []string{suite}
	if codename, ok := strings.CutPrefix(strings.TrimSpace(string(own)), "debian "); ok {
		suites = append(suites, codename)
	}
	for _, s := range suites {
		if m := mirrorPattern(s).FindSubmatch(out); m != nil {
			return string(m[1]), nil
		}
	}
	return "", nil
}

// mirrorPattern finds a mirror in what apt-get would fetch: a file of the main
// component, which third parties' archives for the suite mostly lack.
func mirrorPattern(suite string) *regexp.Regexp {
	return regexp.MustCompile(`(?m)^'((?:https?|file):[^']+)/dists/` + regexp.QuoteMeta(suite) + `/main/binary-[^']*'`)
}
