package fail2ban

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestClockOffset compares stamps with the time when their file was written.
func TestClockOffset(t *testing.T) {
	written := time.Date(2026, 11, 29, 12, 0, 30, 0, time.Local)
	at := func(offset time.Duration) string {
		return written.Add(offset).Format("[2006-01-02 15:04:05] NOTICE[1] x\n")
	}
	for name, c := range map[string]struct {
		text string
		want time.Duration
	}{
		"now":                         {at(0), 0},
		"a minute ago":                {at(-time.Minute), 0},
		"half an hour ago, and a bit": {at(-33 * time.Minute), 0}, // somebody has touched the file
		"two hours behind":            {at(-2*time.Hour - 20*time.Second), -2 * time.Hour},
		"Nepal":                       {at(5*time.Hour + 45*time.Minute), 5*time.Hour + 45*time.Minute},
		"days ago":                    {at(-72 * time.Hour), 0},
		"the last line counts":        {at(-2*time.Hour) + at(0), 0},
		"a line without a stamp":      {at(-time.Hour) + "  and more of it\n", -time.Hour},
		"with a zone":                 {written.UTC().Add(-2 * time.Second).Format("[2006-01-02T15:04:05.000+0000] x\n"), 0},
		"without a year":              {written.Add(-time.Hour).Format("[Jan _2 15:04:05] x\n"), -time.Hour},
		"no stamps":                   {"x\ny\n", 0},
		"nothing":                     {"", 0},
	} {
		if got := clockOffset(c.text, written); got != c.want {
			t.Errorf("%s: %s, not %s", name, got, c.want)
		}
	}
	newYear := time.Date(2027, 1, 1, 0, 30, 0, 0, time.Local)
	if got := clockOffset("[Dec 31 23:30:00] x\n", newYear); got != -time.Hour {
		t.Errorf("over the new year: %s", got)
	}
}

// TestWrongPasswords counts what every filter counts, from strangers only.
func TestWrongPasswords(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.Local)
	stamp := now.Add(-time.Minute).Format("[2006-01-02 15:04:05] ")
	for text, want := range map[string]int{
		stamp + `NOTICE[1] res_pjsip/pjsip_distributor.c: Request 'REGISTER' from '<sip:1@x>' failed for '198.51.100.1:5060' (callid: x) - Failed to authenticate`:                      1,
		stamp + `NOTICE[1] res_pjsip/pjsip_distributor.c: Request 'INVITE' from '<sip:1@x>' failed for '[2001:db8::1]:5060' (callid: x) - Failed to authenticate after 5 tries in 1 ms`: 1,
		stamp + `NOTICE[1] chan_sip.c: Registration from '<sip:1@x>' failed for '198.51.100.1:5060' - Wrong password`:                                                                   1,
		stamp + `SECURITY[1] res_security_log.c: SecurityEvent="ChallengeResponseFailed",Severity="Error",AccountID="1",RemoteAddress="IPV4/UDP/198.51.100.1/5060",Challenge="x"`:       1,
		stamp + `NOTICE[1] res_pjsip/pjsip_distributor.c: Request 'REGISTER' from '<sip:1@x>' failed for '198.51.100.1:5060' (callid: x) - No matching endpoint found`:                  0,
		stamp + `NOTICE[1] res_pjsip/pjsip_distributor.c: Request 'REGISTER' from '<sip:1@x>' failed for '192.168.1.1:5060' (callid: x) - Failed to authenticate`:                       0,
		`[2026-11-28 12:00:00] NOTICE[1] res_pjsip/pjsip_distributor.c: Request 'REGISTER' from '<sip:1@x>' failed for '198.51.100.1:5060' (callid: x) - Failed to authenticate`:        0,
		`NOTICE[1] res_pjsip/pjsip_distributor.c: Request 'REGISTER' from '<sip:1@x>' failed for '198.51.100.1:5060' (callid: x) - Failed to authenticate`:                              0,
	} {
		if got, from := wrongPasswords(text+"\n", now.Add(-10*time.Minute), now); got != want || len(from) != want {
			t.Errorf("%s: %d of %s", text, got, from)
		}
	}
}

// TestReadTail reads the end of a long log, starting with a whole line.
func TestReadTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	line := make([]byte, 1000)
	for i := range line {
		line[i] = 'x'
	}
	line[999] = '\n'
	var text []byte
	for range 1000 {
		text = append(text, line...)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	got, _, err := readTail(path)
	if err != nil || len(got)%1000 != 0 || len(got) == 0 || len(got) > tailLength {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	for _, other := range []string{t.TempDir(), filepath.Join(t.TempDir(), "absent")} {
		if _, _, err := readTail(other); err == nil {
			t.Errorf("%s is read", other)
		}
	}
}

// TestMissesPasswords: which jail should have counted the wrong passwords of a log.
func TestMissesPasswords(t *testing.T) {
	const log = "/l"
	reader := func(counts filterKind, counted bool) logReader { return logReader{[]string{log}, counted, counts} }
	elsewhere := logReader{[]string{"/other"}, true, countsPasswords}
	for _, c := range []struct {
		name   string
		jail   logReader
		others []logReader
		want   bool
	}{
		{"its filter counts them, and has counted none", reader(countsPasswords, false), nil, true},
		{"the same, though a jail for unknown users has counted", reader(countsPasswords, false), []logReader{reader(countsOthers, true)}, true},
		{"it has counted", reader(countsPasswords, true), nil, false},
		{"unknown users alone, as voipbl-asterisk-unknown", reader(countsOthers, false), []logReader{reader(countsPasswords, true)}, false},
		{"unknown users alone, without another", reader(countsOthers, false), nil, false},
		{"a filter for something else", reader(countsUnsure, false), []logReader{elsewhere}, true},
		{"the same, beside one for unknown users", reader(countsUnsure, false), []logReader{reader(countsOthers, true)}, true},
		{"the same, beside one that counts them", reader(countsUnsure, false), []logReader{reader(countsPasswords, true)}, false},
		{"the same, beside one that is to count them and is told of", reader(countsUnsure, false), []logReader{reader(countsPasswords, false)}, false},
		{"the same, beside one of one's own that has counted", reader(countsUnsure, false), []logReader{reader(countsUnsure, true)}, false},
		{"one of one's own that has counted", reader(countsUnsure, true), nil, false},
	} {
		if got := missesPasswords(append([]logReader{c.jail}, c.others...), 0, log); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
