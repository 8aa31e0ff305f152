//go:build published

package fail2ban_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPublishedLogs reads what an attacked Asterisk 22 wrote: the filter finds each notice of a refused
// request except OPTIONS, each event of the four kinds, and nothing else. The logs are not part of this
// tree; "make published" says where they are.
func TestPublishedLogs(t *testing.T) {
	attack := regexp.MustCompile(`: Request '(REGISTER|INVITE|SUBSCRIBE|MESSAGE)'|SecurityEvent="(InvalidAccountID|InvalidPassword|ChallengeResponseFailed|FailedACL)"`)
	for name, attacks := range map[string]int{"asterisk22-messages.log": 44, "asterisk22-security.log": 45} {
		path := filepath.Join(os.Getenv("VOIPBL_PUBLISHED"), "asterisk", name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for line := range strings.Lines(string(text)) {
			if attack.MatchString(line) {
				want = append(want, strings.TrimSuffix(line, "\n"))
			}
		}
		if len(want) != attacks {
			t.Errorf("%s has %d attacks, not %d", name, len(want), attacks)
		}
		if diff := cmp.Diff(want, fields(t, path, "", "msg")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
