package cidr

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// Policy limits what a feed may put into the set.
type Policy struct {
	// Widest is the shortest prefix length that is accepted, by family. An entry with a
	// wider prefix is rejected as a whole.
	Widest [2]uint8

	// MaxPrefixes is how many prefixes one feed may hold before aggregation; a range
	// counts up to 254. 0 is no limit.
	MaxPrefixes int
}

// ErrTooMany is returned for a feed with more prefixes than its policy allows.
var ErrTooMany = errors.New("too many prefixes")

// Reject is a line that was refused.
type Reject struct {
	Line   int    // from 1
	Text   string // at most maxSampleText bytes of it
	Reason Reason
}

const (
	// maxSamples is how many rejects a Tally keeps; it counts them all.
	maxSamples    = 20
	maxSampleText = 120
)

// Tally counts what Read found. Blank lines and comments are not counted.
type Tally struct {
	Lines    int // that are an entry or look meant as one
	Entries  int // that were read and are not TooWide
	Entries6 int // of these, IPv6
	Screened int // of the entries, wholly in special-purpose space
	Carved   int // of the entries, partly in it
	Rejects  [numReasons]int
	Samples  []Reject // the first rejects
	Specials []int    // screened and carved entries by row of Specials
	Declared int      // the N of "# TOTAL NETBLOCK: N", NoTotal or BadTotal
}

// Rejected returns the number of lines that were refused.
func (t *Tally) Rejected() int { return t.Lines - t.Entries }

// Malformed returns the number of lines that cannot be read. Lines that only the policy
// refuses are not counted.
func (t *Tally) Malformed() int { return t.Rejected() - t.Rejects[TooWide] }

// Merge adds the counts of another part of the same feed.
func (t *Tally) Merge(o Tally) {
	t.Lines += o.Lines
	t.Entries += o.Entries
	t.Entries6 += o.Entries6
	t.Screened += o.Screened
	t.Carved += o.Carved
	for r := range t.Rejects {
		t.Rejects[r] += o.Rejects[r]
	}
	t.Samples = append(t.Samples, o.Samples[:min(len(o.Samples), max(0, maxSamples-len(t.Samples)))]...)
	if t.Specials == nil {
		t.Specials = make([]int, len(specials))
	}
	for i, n := range o.Specials {
		t.Specials[i] += n
	}
	if o.Declared != NoTotal {
		t.Declared = o.Declared
	}
}

// Read reads a feed into b. It leaves out entries that lie wholly in special-purpose
// space. Entries that only overlap it are added whole; the caller subtracts
// [SpecialSpace] from the union of all feeds. Errors are those of r, and ErrTooMany.
func Read(r io.Reader, policy Policy, b *Builder) (Tally, error) {
	sc := NewScanner(r)
	t := Tally{Specials: make([]int, len(specials))}
	prefixes := 0
	for sc.Scan() {
		t.Lines++
		why := sc.Reason()
		ps := sc.Prefixes()
		if why == Accepted && policy.TooWide(ps) {
			why = TooWide
		}
		if why != Accepted {
			t.reject(sc, why)
			continue
		}
		t.Entries++
		if ps[0].fam == IPv6 {
			t.Entries6++
		}
		if t.screen(ps) {
			continue
		}
		if prefixes += len(ps); policy.MaxPrefixes > 0 && prefixes > policy.MaxPrefixes {
			return t, fmt.Errorf("%w: more than %d by line %d", ErrTooMany, policy.MaxPrefixes, sc.Line())
		}
		for _, p := range ps {
			b.Add(p)
		}
	}
	t.Declared = sc.Declared()
	return t, sc.Err()
}

// TooWide reports whether one of ps, the prefixes of an entry, is wider than allowed.
func (p Policy) TooWide(ps []Prefix) bool {
	for _, q := range ps {
		if q.bits < p.Widest[q.fam] {
			return true
		}
	}
	return false
}

func (t *Tally) reject(sc *Scanner, why Reason) {
	t.Rejects[why]++
	if len(t.Samples) < maxSamples {
		text := sc.Text()
		t.Samples = append(t.Samples, Reject{sc.Line(), string(text[:min(len(text), maxSampleText)]), why})
	}
}

// screen counts an entry that overlaps special-purpose space. It returns true if the
// whole entry lies there.
func (t *Tally) screen(ps []Prefix) bool {
	if p := ps[0]; len(ps) == 1 && p.bits >= 8 && !specialOctet[p.fam][p.addr.octet(0)] {
		return false // nearly all entries end here
	}
	overlaps, inside := false, true
	for _, p := range ps {
		space := SpecialSpace[p.fam]
		if !space.Overlaps(p) {
			inside = false
			continue
		}
		overlaps = true
		inside = inside && space.Contains(p)
	}
	if !overlaps {
		return false
	}
	if inside {
		t.Screened++
	} else {
		t.Carved++
	}
	for i, s := range specials {
		if slices.ContainsFunc(ps, s.Prefix.Overlaps) {
			t.Specials[i]++
			break
		}
	}
	return inside
}
