package config

import "strconv"

// Shape says how many entries more than the lists have the sets may hold, so that these have
// fewer prefix lengths. For each packet the kernel looks up every length that occurs in a set;
// an entry of a shorter length can be written as several of a longer one.
type Shape struct {
	// ExtraEntries is that number for one set, 0..100,000,000. ExtraAuto stands for the larger
	// of a quarter of the set's entries and 8,192.
	ExtraEntries int
}

// ExtraAuto is the Shape.ExtraEntries that depends on the number of entries.
const ExtraAuto = -1

const (
	// extraShare is the divisor for the extra entries of a long list. A quarter more entries
	// costs a quarter more of the kernel's memory, and for lists of 2019 and 2020 makes one
	// length of eight (VoIPBL) and three of 18 (firehol_level1).
	extraShare = 4

	// extraLeast is for short lists, to which an absolute number does more than a share. It
	// takes 0.4 MB (IPv6: 0.6 MB).
	extraLeast = 8192

	maxExtra = 100_000_000
)

const extraExample = `expected auto, 0 for off, or up to 100000000, such as "10000"`

// Extra returns how many extra entries a set of that many entries may have.
func (s Shape) Extra(entries int) int {
	if s.ExtraEntries == ExtraAuto {
		return max(entries/extraShare, extraLeast)
	}
	return s.ExtraEntries
}

// parseExtra parses a number of extra entries, or "auto".
func parseExtra(s string) (int, *fault) {
	if s == auto {
		return ExtraAuto, nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || n > maxExtra {
		return 0, faultf(extraExample, "bad number (%s)", quote(s))
	}
	return int(n), nil
}

// formatExtra is the inverse of parseExtra.
func formatExtra(n int) string {
	if n == ExtraAuto {
		return auto
	}
	return strconv.Itoa(n)
}
