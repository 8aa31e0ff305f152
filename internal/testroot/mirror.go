package testroot

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
)

// aptMirror returns the mirror that the machine's own apt uses: the one with the suite,
// otherwise the one with the machine's own suite, because Debian's mirrors have all
// suites. It returns "" if apt has none, as on another distribution; debootstrap then
// uses its default.
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

// mirrorPattern matches the mirror in a list of files that apt-get would fetch: one of
// the main component, which most third-party archives do not have.
func mirrorPattern(suite string) *regexp.Regexp {
	return regexp.MustCompile(`(?m)^'((?:https?|file):[^']+)/dists/` + regexp.QuoteMeta(suite) + `/main/binary-[^']*'`)
}
