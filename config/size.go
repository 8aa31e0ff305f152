package config

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/voipbl/voipbl/internal/lazyregexp"
)

const (
	minBytes, maxBytes     = 1 << 10, 1 << 30
	minTimeout, maxTimeout = time.Second, time.Hour
	minKeep, maxKeep       = time.Hour, 90 * day
	minEntries, maxEntries = 1_000, 100_000_000
)

const auto = "auto"

const day = 24 * time.Hour

const (
	entriesExample = `expected auto, or 1000..100000000, such as "500000"`
	sizeExample    = `expected 1KiB..1GiB, such as "64MiB" or "2MB"`
	timeoutExample = `expected 1s..1h, such as "60s" or "5m"`
	keepExample    = `expected 1h..90d, such as "7d" or "12h"`
	percentExample = `expected more than 0% and at most 100%, with up to four decimals, such as "5%" or "0.5%"`
)

// units are the units of sizes, in the order in which formatSize tries them.
var units = []struct {
	name  string
	bytes int64
}{
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"MB", 1e6},
	{"KB", 1e3},
	{"", 1},
}

// parseSize parses a number of bytes with or without a unit.
func parseSize(s string) (int64, *fault) {
	for _, unit := range units {
		number, ok := strings.CutSuffix(s, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 32) // 32 bits times a GiB fit in 64
		if size := int64(n) * unit.bytes; err == nil && minBytes <= size && size <= maxBytes {
			return size, nil
		}
		break
	}
	return 0, faultf(sizeExample, "bad size (%s)", quote(s))
}

// formatSize is the inverse of parseSize.
func formatSize(n int64) string {
	i := 0
	for n%units[i].bytes != 0 { // ends at the last unit, one byte
		i++
	}
	return strconv.FormatInt(n/units[i].bytes, 10) + units[i].name
}

// errTime is the error for a text that is not a time.
var errTime = errors.New("expected a time with its unit, such as 30s, 5m, 24h or 7d")

// ParseTime parses a duration as written in the file and on the command line: in the syntax
// of Go, also with days, such as "7d" or "1d12h".
func ParseTime(s string) (time.Duration, error) {
	days, rest, found := strings.Cut(s, "d")
	if !found {
		days, rest = "0", s
	}
	if days == "" || strings.Trim(days, "0123456789.") != "" {
		return 0, errTime
	}
	n, err := strconv.ParseFloat(days, 64)
	if err != nil || n > maxDays {
		return 0, errTime
	}
	if rest == "" && found {
		return time.Duration(n * float64(day)), nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || found && d < 0 {
		return 0, errTime
	}
	return time.Duration(n*float64(day)) + d, nil
}

// maxDays is a century, which is well below the limit of time.Duration.
const maxDays = 36500

// parseEntries parses a number of entries, or "auto".
func parseEntries(s string) (int, *fault) {
	if s == auto {
		return EntriesAuto, nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || n < minEntries || n > maxEntries {
		return 0, faultf(entriesExample, "bad number (%s)", quote(s))
	}
	return int(n), nil
}

// formatEntries is the inverse of parseEntries.
func formatEntries(n int) string {
	if n == EntriesAuto {
		return auto
	}
	return strconv.Itoa(n)
}

// parseTimeout parses the timeout of a fetch.
func parseTimeout(s string) (time.Duration, *fault) {
	d, err := ParseTime(s)
	if err != nil || d < minTimeout || d > maxTimeout {
		return 0, faultf(timeoutExample, "bad time (%s)", quote(s))
	}
	return d, nil
}

// formatDuration is the inverse of parseTimeout. It leaves out zero units at the end, which
// Go's format prints.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// parseKeep parses how long something is kept.
func parseKeep(s string) (time.Duration, *fault) {
	d, err := ParseTime(s)
	if err != nil || d < minKeep || d > maxKeep {
		return 0, faultf(keepExample, "bad time (%s)", quote(s))
	}
	return d, nil
}

// formatDays is the inverse of parseKeep.
func formatDays(d time.Duration) string {
	if d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	return formatDuration(d)
}

// percent has at most four decimals. A share then has at most six, so that it is the same
// after a round trip through a float. One IPv4 address in a million is finer than anyone
// needs.
var percent = lazyregexp.New(`^([0-9]{1,3}(?:\.[0-9]{1,4})?) ?%$`)

// parsePercent parses a percentage as a share between 0 and 1. The sign is required: "0.05" might
// mean either.
func parsePercent(s string) (float64, *fault) {
	if m := percent().FindStringSubmatch(s); m != nil {
		share, err := strconv.ParseFloat(m[1]+"e-2", 64) // exact; a division would round twice
		if err == nil && 0 < share && share <= 1 {
			return share, nil
		}
	}
	return 0, faultf(percentExample, "bad percentage (%s)", quote(s))
}

// formatPercent is the inverse of parsePercent.
func formatPercent(share float64) string {
	s := strconv.FormatFloat(share*100, 'f', 4, 64)
	return strings.TrimRight(strings.TrimRight(s, "0"), ".") + "%"
}
