// Package fail2ban_test checks voipbl's files for fail2ban with a real fail2ban: the filter with
// lines of Asterisk, the actions with the kernel.
package fail2ban_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sample is lines of a log, and the notes above them.
type sample struct{ about, lines []string }

// readSample reads a file of testdata: comments begin with "# ", other lines are the log's. A comment
// is about the line below it; lines may have none.
func readSample(t *testing.T, name string) sample {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var s sample
	about := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if comment, ok := strings.CutPrefix(line, "# "); ok {
			about = comment
		} else if line != "" {
			s.about, s.lines = append(s.about, about), append(s.lines, line)
			about = ""
		}
	}
	return s
}

// filterFile returns the path of a file in the form that fail2ban-regex accepts.
func filterFile(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// found returns the addresses that fail2ban-regex finds in a log, in order. options are the filter's,
// such as "[mode=from]".
func found(t *testing.T, logfile, options string) []string {
	t.Helper()
	return fields(t, logfile, options, "ip")
}

// TestFilterCounts: the note above each line says whether it counts as a wrong password or as an
// unknown user or number. No line counts as both.
func TestFilterCounts(t *testing.T) {
	s := readSample(t, "attacks.log")
	for _, count := range []string{"passwords", "unknown"} {
		var want []string
		for i, about := range s.about {
			if words := strings.Fields(about); words[1] == count {
				want = append(want, s.lines[i])
			}
		}
		if diff := cmp.Diff(want, fields(t, logOf(t, s.lines...), "[count="+count+"]", "msg")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", count, diff)
		}
	}
}

// fields returns a field of each line in which fail2ban-regex finds an address.
func fields(t *testing.T, logfile, options, field string) []string {
	t.Helper()
	cmd := exec.Command("fail2ban-regex", "-o", field, logfile, filterFile(t, "filter.d/voipbl-asterisk.conf")+options)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("fail2ban-regex: %v\n%s%s", err, out, stderr.String())
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// logOf writes lines to a file.
func logOf(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestFilterFindsAttackers: in a line of each form, the filter finds the address noted above it, and no
// other.
func TestFilterFindsAttackers(t *testing.T) {
	for _, test := range []struct{ file, options string }{
		{"attacks.log", ""},
		{"attacks.log", "[mode=from]"},
		{"attacks-from.log", "[mode=from]"},
	} {
		s := readSample(t, test.file)
		var want []string
		for i, about := range s.about {
			addr, _, _ := strings.Cut(about, " ")
			if addr == "" {
				t.Fatalf("%s: nothing says what is to be found in %s", test.file, s.lines[i])
			}
			want = append(want, addr)
		}
		if diff := cmp.Diff(want, found(t, logOf(t, s.lines...), test.options)); diff != "" {
			t.Errorf("%s%s (-want +got):\n%s", test.file, test.options, diff)
		}
	}
}

// TestFilterLeavesOthersAlone: the filter finds nobody in lines of ordinary days, lines that look like
// attacks, and lines in which an attacker has put text into From, Call-ID, user or extension to get
// somebody else banned. The last line is one to be found, which shows that the filter was at work.
func TestFilterLeavesOthersAlone(t *testing.T) {
	for _, test := range []struct{ file, options string }{
		{"innocent.log", ""},
		{"attacks-from.log", ""},
	} {
		lines := append(readSample(t, test.file).lines, "[2026-11-23 05:37:07] NOTICE[1234] manager.c: 192.0.2.77 failed to authenticate as 'admin'")
		got := fields(t, logOf(t, lines...), test.options, "msg")
		if diff := cmp.Diff(lines[len(lines)-1:], got); diff != "" {
			t.Errorf("%s%s: lines that an address was found in (-want +got):\n%s", test.file, test.options, diff)
		}
	}
}

// TestFilterWholeLines: a line with more text at its end does not match, since it may be about
// anything. The exception is the user in IAX2's oldest form, whose end is open.
func TestFilterWholeLines(t *testing.T) {
	var lines, want []string
	for _, line := range readSample(t, "attacks.log").lines {
		lines = append(lines, line+", or not")
		if strings.HasSuffix(line, "failed to authenticate as guest") {
			want = append(want, line+", or not")
		}
	}
	if diff := cmp.Diff(want, fields(t, logOf(t, lines...), "", "msg")); diff != "" {
		t.Errorf("lines that an address was found in (-want +got):\n%s", diff)
	}
}

// TestFilterHidesNobody: an attacker's Call-ID contains all the words around addresses, and somebody
// else's address, in the lines of both logs: the filter finds the attacker. If the text is cut where
// Asterisk cuts long lines, it finds nobody.
func TestFilterHidesNobody(t *testing.T) {
	const victim = "203.0.113.5"
	callID := `x' failed for '` + victim + `:5060' (callid: y",RemoteAddress="IPV4/UDP/` + victim + `/5060",Challenge="`
	lines := []string{
		`[2026-11-23 05:37:07] NOTICE[4711] res_pjsip/pjsip_distributor.c: Request 'REGISTER' from '<sip:1@192.0.2.1>' failed for '198.51.100.1:5080' (callid: ` + callID + `) - No matching endpoint found`,
		`[2026-11-23 05:37:07] NOTICE[4711] res_pjsip/pjsip_distributor.c: Request 'REGISTER' from '"a \" <b>' failed for '` + victim + `:5060' (callid: z) - Failed to authenticate" <sip:1@192.0.2.1>' failed for '198.51.100.2:5080' (callid: ` + callID + `) - Failed to authenticate`,
		`[2026-11-23 05:37:07] SECURITY[4711] res_security_log.c: SecurityEvent="InvalidAccountID",EventTV="x",Severity="Error",Service="PJSIP",EventVersion="1",AccountID="1",SessionID="` + callID + `",LocalAddress="IPV4/UDP/192.0.2.1/5060",RemoteAddress="IPV4/UDP/198.51.100.3/5080"`,
		`[2026-11-23 05:37:07] SECURITY[4711] res_security_log.c: SecurityEvent="ChallengeResponseFailed",EventTV="x",Severity="Error",Service="PJSIP",EventVersion="1",AccountID="1",SessionID="` + callID + `",LocalAddress="IPV4/UDP/192.0.2.1/5060",RemoteAddress="IPV4/UDP/198.51.100.4/5080",Challenge="1/a",Response="\",RemoteAddress=\"IPV4/UDP/` + victim + `/5060\",Challenge=\"",ExpectedResponse=""`,
		`[2026-11-23 05:37:07] SECURITY[4711] res_security_log.c: SecurityEvent="InvalidPassword",EventTV="x",Severity="Error",Service="SIP",EventVersion="2",AccountID="1",SessionID="0x7f",LocalAddress="IPV4/UDP/192.0.2.1/5060",RemoteAddress="IPV4/UDP/198.51.100.5/5080",Challenge="4c",ReceivedChallenge="4c",ReceivedHash="a\"`,
	}
	want := []string{"198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4", "198.51.100.5"}
	if diff := cmp.Diff(want, found(t, logOf(t, lines...), "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	padding := strings.Repeat("x", 10000)
	var cut []string
	for _, line := range []string{
		`[2026-11-23 05:37:07] SECURITY[4711] res_security_log.c: SecurityEvent="InvalidAccountID",EventTV="x",AccountID="1",SessionID="` + padding + `",RemoteAddress="IPV4/UDP/` + victim + `/5060"`,
		`[2026-11-23 05:37:07] NOTICE[4711] chan_sip.c: Registration from '` + padding + `' failed for '` + victim + `' - Wrong password`,
		`[2026-11-23 05:37:07] NOTICE[4711] res_pjsip/pjsip_distributor.c: Request 'REGISTER' from '"` + padding + `" <sip:1@192.0.2.1>' failed for '` + victim + `:5060' (callid: x) - No matching endpoint found`,
	} {
		// Padded so that the line ends there.
		for _, limit := range []int{1<<13 - 1, 1<<12 - 1, 1<<11 - 1} {
			cut = append(cut, strings.Replace(line, padding, strings.Repeat("x", limit-len(line)+len(padding)), 1))
		}
	}
	last := "[2026-11-23 05:37:07] NOTICE[1234] manager.c: 192.0.2.77 failed to authenticate as 'admin'"
	if diff := cmp.Diff([]string{last}, fields(t, logOf(t, append(cut, last)...), "", "msg")); diff != "" {
		t.Errorf("lines that were cut (-want +got):\n%s", diff)
	}
}

// TestFilterAnyDate: the same line with each form of date that logger.conf and syslog can have.
func TestFilterAnyDate(t *testing.T) {
	const rest = "NOTICE[1234] manager.c: 192.0.2.77 failed to authenticate as 'admin'"
	var lines, want []string
	for _, date := range []string{
		"[Nov 23 05:37:07] ", "[Nov  3 05:37:07] ", "[2026-11-23 05:37:07] ", "[2026-11-23 05:37:07.123] ",
		"[2026-11-23T05:37:07+0100] ", "[2026-11-23T05:37:07.123+0100] ", "[Mon Nov 23 05:37:07 2026] ", "[2026-11-23 05:37:07]",
		"Nov 23 05:37:07 pbx asterisk[1]: ", "2026-11-23T05:37:07.123456+01:00 pbx asterisk[1]: ", "Nov 23 05:37:07 pbx asterisk: ",
	} {
		lines, want = append(lines, date+rest), append(want, "192.0.2.77")
	}
	if diff := cmp.Diff(want, found(t, logOf(t, lines...), "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestPublishedFilter is why voipbl has its own filter: the published one does not load, and without
// its stray letter it misses most of what Asterisk writes.
func TestPublishedFilter(t *testing.T) {
	text, err := os.ReadFile("testdata/published.conf")
	if err != nil {
		t.Fatal(err)
	}
	log := logOf(t, readSample(t, "attacks.log").lines...)
	out, err := exec.Command("fail2ban-regex", "-o", "ip", log, filterFile(t, "testdata/published.conf")).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "Source contains parsing errors") {
		t.Errorf("as published: %v\n%s", err, out)
	}
	mended := filepath.Join(t.TempDir(), "mended.conf")
	if err := os.WriteFile(mended, bytes.ReplaceAll(text, []byte("\u00c2\n"), nil), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err = exec.Command("fail2ban-regex", "-o", "ip", log, mended).Output()
	if n := strings.Count(string(out), "\n"); err != nil || n == 0 || n > 20 {
		t.Errorf("mended: %d lines found, %v\n%s", n, err, out)
	}
}

// TestFilterTakesNoDateFromAttackers: if fail2ban does not know the form of Asterisk's date, the line
// counts as of now. An attacker cannot put an old date into it that would not count.
func TestFilterTakesNoDateFromAttackers(t *testing.T) {
	log := logOf(t, "[23.11. 05:37] NOTICE[1234] manager.c: 192.0.2.77 failed to authenticate as '2020-01-01 00:00:00'")
	got := fields(t, log, "", "<time>")
	if seconds, err := strconv.ParseFloat(got[0], 64); len(got) != 1 || err != nil || time.Since(time.Unix(int64(seconds), 0)).Abs() > time.Hour {
		t.Errorf("the line is of %q", got)
	}
}

// TestFilterIsLinear gives each expression the worst of some thousand hostile lines, with n and with
// 10 n letters. Linear means ten times as long, quadratic a hundred times. A busy machine may slow
// down one of the two, but not three times.
func TestFilterIsLinear(t *testing.T) {
	slow := slowExpressions(t)
	for range 2 {
		if len(slow) > 0 {
			slow = slowExpressions(t)
		}
	}
	for _, s := range slow {
		t.Error(s)
	}
}

// slowExpressions returns the expressions that take too long.
func slowExpressions(t *testing.T) (slow []string) {
	t.Helper()
	python := "/usr/bin/python3" // Debian's own, which has fail2ban
	cmd := exec.Command(python, "testdata/linear.py", filterFile(t, "."), "testdata/attacks.log,testdata/attacks-from.log", "10000")
	cmd.Env = append(os.Environ(), "PYTHONPATH=/usr/lib/python3/dist-packages", "PYTHONDONTWRITEBYTECODE=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 27 { // prefregex, 9 of passwords, 14 of unknown, 3 of mode=from
		t.Fatalf("%d expressions were tried, not 27", len(lines))
	}
	for _, line := range lines {
		f := strings.Split(line, "\t")
		short, err1 := strconv.ParseFloat(f[1], 64)
		long, err2 := strconv.ParseFloat(f[2], 64)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		// Below a millisecond for 100 kB nobody would notice, and clocks are coarse.
		if long > 1 && long > 40*short || long > 250 {
			slow = append(slow, fmt.Sprintf("expression %s: %.3f ms for 10 kB, and %.3f ms for 100 kB, %.0f times as long, with much of %q behind %q", f[0], short, long, long/short, f[4], f[3]))
		}
	}
	return slow
}
