package fail2ban_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDocker checks what docs/fail2ban.md says of a container's standard output: read through the
// journal with the tag "asterisk", Asterisk's lines are found; with colours, as JSON or with the
// container's name they are not.
func TestDocker(t *testing.T) {
	const (
		message = `NOTICE[14]: res_pjsip/pjsip_distributor.c:676 log_failed_request: Request 'REGISTER' from '<sip:6002@172.18.0.2>' failed for '8.8.8.8:5060' (callid: 1) - Failed to authenticate`
		colours = "\x1b[1;33mNOTICE\x1b[0m[14]: \x1b[1;37mres_pjsip/pjsip_distributor.c\x1b[0m:\x1b[1;37m676\x1b[0m \x1b[1;37mlog_failed_request\x1b[0m: Request 'REGISTER' from '<sip:6002@172.18.0.2>' failed for '8.8.8.8:5060' (callid: 1) - Failed to authenticate"
		date    = "[2026-11-29 06:00:00] "
	)
	log := logOf(t,
		date+message,
		"2026-11-29T06:00:01.000000 pbx asterisk[812]: "+date+message, // as fail2ban writes an entry of the journal
		date+colours,
		"2026-11-29T06:00:01.000000 pbx asterisk[812]: "+date+colours,
		"asterisk-1  | "+date+message,
		`{"log":"`+date+message+`\n","stream":"stdout","time":"2026-11-29T06:00:00.000000000Z"}`,
		"2026-11-29T06:00:01.000000 pbx 4f0c9a2b7d11[812]: "+date+message, // without the tag
	)
	if diff := cmp.Diff(slices.Repeat([]string{"8.8.8.8"}, 2), found(t, log, "")); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
}
