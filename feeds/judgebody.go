package feeds

import (
	"fmt"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
)

// Reasons why a complete body is not believed. The words are stable, like those of
// [fetch.Reason], and share a field with them.
const (
	reasonTruncated = fetch.ReasonTruncated
	ReasonNotAList  = fetch.Reason("not-a-list")
	reasonTooFew    = fetch.Reason("too-few")
	reasonTooMuch   = fetch.Reason("too-much")
	ReasonShrank    = fetch.Reason("shrank")
	ReasonGrew      = fetch.Reason("grew")
	ReasonWidened   = fetch.Reason("widened")
	ReasonTurned    = fetch.Reason("turned-over")
	reasonDamaged   = fetch.Reason("damaged")
	reasonStale     = fetch.Reason("stale")

	// reasonNoCopy never leaves this package: the source has nothing newer than the copy, but
	// the copy cannot be read.
	reasonNoCopy = "no-copy"
)

// wellFormed is the share of lines, in tenths, that must have a known form. An HTML page or an
// error message has none.
const wellFormed = 9

// verdict is why a body is refused. The zero value means that it is believed.
type verdict struct {
	reason fetch.Reason
	why    string
	remedy string // if there is a better one than that of the reason
}

// judge decides, from the body alone, whether a URL feed's body may replace the last good
// copy. judgeByPast compares it with earlier lists.
func judge(f config.Feed, t cidr.Tally, sets cidr.Sets) verdict {
	entries := effective(t, sets)
	switch {
	case t.Declared == cidr.BadTotal:
		return verdict{reason: reasonTruncated, why: "its # TOTAL NETBLOCK is not a number, or there are two"}
	case t.Declared != cidr.NoTotal && t.Declared != t.Lines:
		return verdict{reason: reasonTruncated, why: fmt.Sprintf("its header says %d entries and %d follow", t.Declared, t.Lines)}
	case t.Lines > 0 && (t.Lines-t.Malformed())*10 < t.Lines*wellFormed:
		return verdict{reason: ReasonNotAList, why: fmt.Sprintf("%d of its %d lines are not entries", t.Malformed(), t.Lines)}
	case entries < f.MinEntries:
		return verdict{reason: reasonTooFew, why: fmt.Sprintf("%d entries that can block something, and min_entries is %d", entries, f.MinEntries)}
	}
	for _, fam := range cidr.Families {
		if share := sets[fam].Share() / usable[fam]; share > f.MaxCoverage {
			return verdict{reason: reasonTooMuch, why: fmt.Sprintf("it covers %.2f%% of %s space, and max_coverage is %.2f%%", share*100, fam, f.MaxCoverage*100)}
		}
	}
	return verdict{}
}

// usable is the part of each family's space in which a list's coverage is measured: all of
// IPv4, and the global unicast space 2000::/3 of IPv6.
var usable = [2]float64{1, 1.0 / 8}

// effective is how many entries of a list can block something. Entries in special-purpose
// space do not count, and it is never more than the number of addresses covered: one address
// listed a thousand times counts once.
func effective(t cidr.Tally, sets cidr.Sets) int {
	entries := t.Entries - t.Screened
	if sets[cidr.IPv6].Len() > 0 {
		return entries
	}
	return min(entries, int(sets[cidr.IPv4].Share()*(1<<32)))
}

// remedyFor says what an admin can do about a feed's failure.
func remedyFor(reason fetch.Reason) string {
	switch reason {
	case ReasonNotAList:
		return "look at what the URL gives (a portal, an error page) or the file holds: it must be plain text, with one address, network or range per line"
	case reasonTruncated:
		return "look at what the URL gives (a portal, an error page, a cut transfer); it is tried again at the next fetch"
	case reasonTooFew:
		return "if the list is right, lower the feed's min_entries"
	case reasonTooMuch:
		return "if the list is right, raise the feed's max_coverage, or limits.max_entries to what this host has the memory for (290 bytes an entry)"
	case ReasonShrank, ReasonGrew, ReasonWidened, ReasonTurned:
		return "look at the list at its source; if it is right, run \"voipbl sync --force\""
	case reasonStale:
		return "run \"voipbl sync\" with a network"
	case reasonDamaged:
		return "fetch it anew with \"voipbl sync\", and look at the disk"
	}
	return reason.Remedy()
}
