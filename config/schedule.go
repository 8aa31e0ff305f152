package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

const (
	// minEveryURL protects other people's servers from too many requests.
	minEveryURL = time.Minute

	// minEveryPath is the resolution of a schedule: cron rounds shorter times up.
	minEveryPath = time.Second

	// maxSchedule is the longest schedule in bytes; real ones have about ten.
	maxSchedule = 128

	// SplayAuto stands for a splay that follows from the schedule, SplayNone for none.
	SplayAuto time.Duration = 0
	SplayNone time.Duration = -1

	// maxSplay is the longest splay, a day.
	maxSplay = day

	splayExample = `expected a time up to 24h, such as "15m", "0" for none, or "auto"`

	scheduleExample = `expected five fields such as "0 */4 * * *", or "@every 4h"`
)

// A Schedule says when a feed is fetched, in the host's time zone.
type Schedule struct {
	text string
	cron.Schedule
}

// String returns the schedule as written.
func (s Schedule) String() string { return s.text }

// Equal reports whether two schedules have the same text.
func (s Schedule) Equal(t Schedule) bool { return s.text == t.text }

// parseSchedule parses a cron line or descriptor. An @every below minEvery is refused.
func parseSchedule(s string, minEvery time.Duration) (Schedule, *fault) {
	bad := func(reason string) (Schedule, *fault) {
		return Schedule{}, faultf(scheduleExample, "bad schedule (%s): %s", quote(s), reason)
	}
	if len(s) > maxSchedule || strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' }) {
		return bad("too long or not plain text")
	}
	// The cron package would read the zone from the host's files, and crashes on "TZ=" alone.
	if strings.HasPrefix(s, "TZ=") || strings.HasPrefix(s, "CRON_TZ=") {
		return bad("it is always in the host's time zone")
	}
	// The cron package takes a field of commas for "never", and would search years for the
	// next time, minute by minute.
	for _, field := range strings.Fields(s) {
		if strings.Trim(field, ",") == "" {
			return bad("a field is empty")
		}
	}
	line := s
	switch every, isEvery := strings.CutPrefix(s, "@every "); {
	case isEvery:
		d, err := ParseTime(every)
		if err != nil {
			return bad("not a time with its unit")
		}
		// The cron package rounds times below a second up, so check the time as
		// written.
		if d < minEvery {
			return bad("more often than every " + formatDuration(minEvery))
		}
		line = "@every " + d.String()
	case !strings.HasPrefix(s, "@") && len(strings.Fields(s)) != 5:
		return bad(fmt.Sprintf("it has %d fields", len(strings.Fields(s))))
	}
	c, err := cron.ParseStandard(line)
	if err != nil {
		return bad(cronWords(err))
	}
	// Start anywhere: Next searches five years.
	if c.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return bad("no such day ever comes")
	}
	return Schedule{text: s, Schedule: c}, nil
}

// parseSplay parses a time, or "auto".
func parseSplay(s string) (time.Duration, *fault) {
	if s == auto {
		return SplayAuto, nil
	}
	d, err := ParseTime(s)
	switch {
	case err != nil || d < 0 || d > maxSplay:
		return 0, faultf(splayExample, "bad time (%s)", quote(s))
	case d == 0:
		return SplayNone, nil
	}
	return d, nil
}

// formatSplay is the inverse of parseSplay.
func formatSplay(d time.Duration) string {
	switch d {
	case SplayAuto:
		return auto
	case SplayNone:
		return "0"
	}
	return formatDuration(d)
}

// cronWords turns an error of the cron package into words for an admin.
func cronWords(err error) string {
	text := err.Error()
	switch {
	case strings.Contains(text, "descriptor"):
		return "unknown word after the @"
	case strings.Contains(text, "failed to parse"), strings.Contains(text, "strconv"):
		return "a field is neither a number, nor a range, nor a list of them"
	}
	return printable(text)
}

// mustSchedule parses a schedule that is part of the program.
func mustSchedule(s string) Schedule {
	schedule, f := parseSchedule(s, minEveryPath)
	if f != nil {
		panic(f.problem)
	}
	return schedule
}
