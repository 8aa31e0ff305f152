package fail2ban

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/voipbl/voipbl/internal/lazyregexp"
	"github.com/voipbl/voipbl/internal/probe"
)

// tailLength is how much of the end of a log is read: some thousand lines.
const tailLength = 256 << 10

// SickLog is a log that a jail reads in vain.
type SickLog struct {
	File string `json:"file"`

	// Offset is the difference between the log's time stamps and this host's clock, as another time
	// zone causes. 0 means none.
	Offset time.Duration `json:"offset,omitempty"`

	// Attacks is how many wrong passwords the log has within the jail's findtime, although the jail
	// has counted none.
	Attacks int          `json:"attacks,omitempty"`
	From    []netip.Addr `json:"from,omitempty"` // some of the attackers
}

// sickLogs checks the ends of a jail's logs.
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
				from = begun // the jail may have counted older lines before
			}
			s.Attacks, s.From = wrongPasswords(text, from, now.Add(-attackGrace))
		}
		if s.Offset != 0 || s.Attacks >= minAttacks {
			sick = append(sick, s)
		}
	}
	return sick
}

// logReader describes a jail: what it reads, whether it has counted anything, and what its filter
// counts.
type logReader struct {
	logs    []string
	counted bool
	counts  filterKind
}

// filterKind says which of Asterisk's messages a filter counts, as far as its expressions show.
type filterKind int

const (
	countsUnsure    filterKind = iota // no message of Asterisk: for another program, or custom
	countsPasswords                   // wrong passwords, and perhaps more
	countsOthers                      // unknown users or numbers, but not wrong passwords
)

var (
	passwordWords = lazyregexp.New(`InvalidPassword|Wrong password|Failed to authenticate(?:[^ ]|$)|Failed\|Error\) to authenticate`)
	otherWords    = lazyregexp.New(`InvalidAccountID|No matching (?:peer|endpoint|\(\?:)|not found in context`)
)

// countsOf derives the kind from the answer to "get JAIL failregex".
func countsOf(failregex string) filterKind {
	switch {
	case passwordWords().MatchString(failregex):
		return countsPasswords
	case otherWords().MatchString(failregex):
		return countsOthers
	}
	return countsUnsure
}

// missesPasswords reports whether a jail should have counted the wrong passwords in a log, but has
// counted nothing. A jail whose filter does not mention Asterisk's messages counts only if no other
// jail handles them.
func missesPasswords(readers []logReader, jail int, file string) bool {
	j := readers[jail]
	if j.counted || j.counts != countsUnsure {
		return !j.counted && j.counts == countsPasswords
	}
	return !slices.ContainsFunc(readers, func(r logReader) bool {
		return slices.Contains(r.logs, file) && (r.counts == countsPasswords || r.counted && r.counts == countsUnsure)
	})
}

// f2bStart returns when the fail2ban server started.
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
	// attackGrace is how long fail2ban may take to read a line.
	attackGrace = 15 * time.Second

	// minAttacks is the number of lines from which chance is no explanation.
	minAttacks = 5

	// maxNamed is how many attackers are named at most.
	maxNamed = 20

	// zoneStep is the smallest difference between time zones (Nepal, the Chatham Islands). A line
	// may be zoneSlack old when the file is last written; with a larger value a file that somebody
	// has touched would seem to be in another zone.
	zoneStep  = 15 * time.Minute
	zoneSlack = 30 * time.Second
)

// readTail reads the end of a regular file, without a first line that is cut off, and the time when
// the file was written.
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

// stamp matches the time at the beginning of a line of Asterisk or syslog: "[2026-11-23 05:37:07]",
// also with "T", a fraction and a zone, or "[Nov 23 05:37:07]".
var stamp = lazyregexp.New(`^\[?(?:(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:[.,]\d+)?\s*(Z|[+-]\d\d:?\d\d)?|([A-Z][a-z]{2} [ \d]\d) (\d\d:\d\d:\d\d))`)

// lineTime parses the stamp of a line, in the host's zone if it has none of its own. A stamp
// without a year is taken as the last such time before the given one.
func lineTime(line string, before time.Time) (t time.Time, zoned, ok bool) {
	m := stamp().FindStringSubmatch(line)
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

// clockOffset compares the last stamp of a log with the time when the file was written. A
// difference of whole quarters of an hour means another time zone.
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

// wrongPassword matches Asterisk's messages about a wrong password that have the address. Every
// filter for Asterisk counts these, however little else it counts.
var wrongPassword = lazyregexp.New(`failed for '\[?([0-9a-fA-F.:]+?)\]?(?::\d+)?'.* - (?:Failed to authenticate|Wrong password)|SecurityEvent="(?:InvalidPassword|ChallengeResponseFailed)".*RemoteAddress="IPV[46]/[A-Z]+/([0-9a-fA-F.:]+)/\d+"`)

// wrongPasswords counts the lines about wrong passwords between two times, from addresses of
// strangers, and returns some of these addresses.
func wrongPasswords(text string, from, to time.Time) (n int, some []netip.Addr) {
	for line := range strings.Lines(text) {
		m := wrongPassword().FindStringSubmatch(line)
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
