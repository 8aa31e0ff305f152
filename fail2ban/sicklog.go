package fail2ban

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/voipbl/voipbl/internal/probe"
)

// tailLength is how much of a log's end is looked at: some thousand lines.
const tailLength = 256 << 10

// SickLog is a log that a jail reads in vain.
type SickLog struct {
	File string `json:"file"`

	// Offset is how far the time stamps of the log are from this host's clock, as
	// another time zone makes it; 0: not.
	Offset time.Duration `json:"offset,omitempty"`

	// Attacks are wrong passwords that the log has within the jail's findtime, and of
	// which the jail has counted none.
	Attacks int          `json:"attacks,omitempty"`
	From    []netip.Addr `json:"from,omitempty"` // some of whom they came from
}

// sickLogs looks at what the logs of one of the jails have at their ends.
func sickLogs(l *probe.Look, readers []logReader, jail int, findtime time.Duration, ownZone bool, now time.Time) []SickLog {
	var sick []SickLog
	for _, file := range readers[jail].logs {
		text, written, err := readTail(file)
		if err != nil || text == "" {
			continue
		}
		s := SickLog{File: file}
		if !ownZone {
			s.Offset = clockOffset(text, written)
		}
		if s.Offset == 0 && missesPasswords(readers, jail, file) {
			from := now.Add(-findtime)
			if begun := f2bStart(l, now); begun.After(from) {
				from = begun // what is older it may have counted before
			}
			s.Attacks, s.From = wrongPasswords(text, from, now.Add(-attackGrace))
		}
		if s.Offset != 0 || s.Attacks >= minAttacks {
			sick = append(sick, s)
		}
	}
	return sick
}

// logReader is what a jail reads, whether it has counted anything, and what its filter is for.
type logReader struct {
	logs    []string
	counted bool
	counts  filterKind
}

// filterKind is what a filter counts of what Asterisk logs, as far as its expressions tell.
type filterKind int

const (
	countsUnsure    filterKind = iota // none of Asterisk's words: another program's, or one's own
	countsPasswords                   // wrong passwords, and maybe more
	countsOthers                      // unknown users, wrong numbers: not wrong passwords
)

var (
	passwordWords = regexp.MustCompile(`InvalidPassword|Wrong password|Failed to authenticate(?:[^ ]|$)|Failed\|Error\) to authenticate`)
	otherWords    = regexp.MustCompile(`InvalidAccountID|No matching (?:peer|endpoint|\(\?:)|not found in context`)
)

// countsOf reads it from the answer to "get JAIL failregex".
func countsOf(failregex string) filterKind {
	switch {
	case passwordWords.MatchString(failregex):
		return countsPasswords
	case otherWords.MatchString(failregex):
		return countsOthers
	}
	return countsUnsure
}

// missesPasswords reports whether wrong passwords in a log are for a jail to count, which has
// counted nothing. One whose filter knows nothing of Asterisk is told of only where no other
// jail has them.
func missesPasswords(readers []logReader, jail int, file string) bool {
	j := readers[jail]
	if j.counted || j.counts != countsUnsure {
		return !j.counted && j.counts == countsPasswords
	}
	return !slices.ContainsFunc(readers, func(r logReader) bool {
		return slices.Contains(r.logs, file) && (r.counts == countsPasswords || r.counted && r.counts == countsUnsure)
	})
}

// f2bStart is when the server of fail2ban began.
func f2bStart(l *probe.Look, now time.Time) time.Time {
	for _, p := range l.Processes {
		if p.Runs("fail2ban-server") {
			if age, ok := p.Age(); ok {
				return now.Add(-age)
			}
		}
	}
	return time.Time{}
}

const (
	// attackGrace is what fail2ban may take to read a line.
	attackGrace = 15 * time.Second

	// minAttacks are so many lines that chance does not explain them.
	minAttacks = 5

	// maxNamed is how many attackers are named.
	maxNamed = 20

	// Time zones are so far apart, at least (Nepal, the Chatham Islands); a line may be
	// so old when the file is written for the last time. More would take a file that
	// somebody has touched for one in another zone.
	zoneStep  = 15 * time.Minute
	zoneSlack = 30 * time.Second
)

// readTail reads the end of a regular file and when it was written. A line that is cut
// off in front is left out.
func readTail(path string) (string, time.Time, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", time.Time{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return "", time.Time{}, fmt.Errorf("%s is not a regular file: %w", path, err)
	}
	at := max(info.Size()-tailLength, 0)
	text, err := io.ReadAll(io.NewSectionReader(f, at, tailLength))
	s := string(text)
	if at > 0 {
		_, s, _ = strings.Cut(s, "\n")
	}
	return s, info.ModTime(), err
}

// stamp is the time at the beginning of a line of Asterisk's or syslog's: "[2026-11-23
// 05:37:07]", also with "T", a fraction and a zone, or "[Nov 23 05:37:07]".
var stamp = regexp.MustCompile(`^\[?(?:(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:[.,]\d+)?\s*(Z|[+-]\d\d:?\d\d)?|([A-Z][a-z]{2} [ \d]\d) (\d\d:\d\d:\d\d))`)

// lineTime reads the stamp of a line, in the zone of the host if it has none of its own.
// A stamp without a year is of the year before a time.
func lineTime(line string, before time.Time) (t time.Time, zoned, ok bool) {
	m := stamp.FindStringSubmatch(line)
	if m == nil {
		return time.Time{}, false, false
	}
	var err error
	switch {
	case m[3] != "":
		t, err = time.Parse("2006-01-02 15:04:05 -0700", m[1]+" "+m[2]+" "+strings.Replace(strings.Replace(m[3], "Z", "+0000", 1), ":", "", 1))
		return t, true, err == nil
	case m[1] != "":
		t, err = time.ParseInLocation("2006-01-02 15:04:05", m[1]+" "+m[2], time.Local)
		return t, false, err == nil
	}
	const withYear = "2006 Jan _2 15:04:05"
	for _, year := range []int{before.Year() + 1, before.Year(), before.Year() - 1} {
		t, err = time.ParseInLocation(withYear, strconv.Itoa(year)+" "+m[4]+" "+m[5], time.Local)
		if err == nil && t.Before(before.AddDate(0, 0, 2)) {
			return t, false, true
		}
	}
	return t, false, false
}

// clockOffset compares the last stamp of a log with the time at which the file was
// written: whole quarters of an hour between them are another time zone.
func clockOffset(text string, written time.Time) time.Duration {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for _, line := range slices.Backward(lines) {
		t, zoned, ok := lineTime(line, written)
		if !ok {
			continue
		}
		offset := t.Sub(written)
		rounded := offset.Round(zoneStep)
		if zoned || rounded.Abs() > 26*time.Hour || (offset-rounded).Abs() > zoneSlack {
			return 0
		}
		return rounded
	}
	return 0
}

// wrongPassword is what Asterisk logs of a wrong password, with the address: what every
// filter for it counts, however little else.
var wrongPassword = regexp.MustCompile(`failed for '\[?([0-9a-fA-F.:]+?)\]?(?::\d+)?'.* - (?:Failed to authenticate|Wrong password)|SecurityEvent="(?:InvalidPassword|ChallengeResponseFailed)".*RemoteAddress="IPV[46]/[A-Z]+/([0-9a-fA-F.:]+)/\d+"`)

// wrongPasswords counts the lines about wrong passwords of strangers between two times,
// and names some of those.
func wrongPasswords(text string, from, to time.Time) (n int, some []netip.Addr) {
	for line := range strings.Lines(text) {
		m := wrongPassword.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		a, err := netip.ParseAddr(m[1] + m[2])
		t, _, ok := lineTime(line, to)
		if err == nil && ok && a.IsGlobalUnicast() && !a.IsPrivate() && t.After(from) && t.Before(to) {
			n++
			if len(some) < maxNamed && !slices.Contains(some, a) {
				some = append(some, a)
			}
		}
	}
	return n, some
}
