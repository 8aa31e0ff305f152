package feeds

import (
	"fmt"
	"math"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/fetch"
)

// This file compares a list from the network with its past: with how large its lists were in
// the last weeks, and with a list of some days ago, of which enough must still be there. So it
// sees gradual changes as well as sudden ones. A very different list may be right, and is
// believed after some fetches (see agree); until then the last good copy stays in force.

const (
	// pastHalves is the time after which the largest list of the past counts half, and the
	// smallest double. Real lists change over months: VoIPBL's had 16,203 entries in June 2016
	// and 71,642 in April 2019.
	pastHalves = 30 * 24 * time.Hour

	// mostHalves is after how many times pastHalves the past has faded completely.
	mostHalves = 64

	// mostShrink: a list must have at least 1/mostShrink of the entries of the largest list of
	// its past. The VoIPBL list once went from 71,642 to 29,791 entries, and that was right.
	mostShrink = 2

	// mostGrowth: a list may be at most mostGrowth times as large as the smallest of its past.
	// In the three years between the two VoIPBL lists above, entries grew 4.4 times and
	// coverage 4.5 times.
	mostGrowth = 5

	// smallEntries is how many entries a list may always gain, since young, short lists grow by
	// large factors.
	smallEntries = 10_000

	// wider is by how many bits a block may be wider than the widest block of the past. If
	// earlier lists differ, the narrowest of their widest blocks counts. VoIPBL's widest was a
	// /27 in 2016 and a /24 in 2019.
	wider = 4

	// wideShare: blocks wider than that must cover less than 1/wideShare of what the list covered
	// in its past. A block of 16 addresses matters little.
	wideShare = 10

	// turnedEntries is how many entries a list must have for its turnover to count. A list of
	// the day's 20 worst networks is quite different the next day.
	turnedEntries = 100

	// mostTurned is the share of entries that may be gone since the list that was put aside,
	// in addition to what is usual for this list.
	mostTurned = 0.5

	// asideFor is how long turnover is measured against the same earlier list. In that time,
	// half of a list's entries may be replaced without a report.
	asideFor = 7 * 24 * time.Hour

	// turnsOver: a list with much turnover confirms that this is usual only while the usual
	// turnover is above turnsOver. Without such a list it fades below that in about a month.
	turnsOver = 0.25
)

var (
	// smallGrowth is the share of each family's space that a list may always gain: a /16 of
	// IPv4, or a /28 of IPv6's 2000::/3, which is what 16 providers have.
	smallGrowth = [2]float64{1.0 / (1 << 16), 1.0 / (1 << 25)}

	// smallWide: far wider blocks are ignored if they cover less than this share, which is a
	// /20 of IPv4, or one provider's /32 of 2000::/3.
	smallWide = [2]float64{1.0 / (1 << 20), 1.0 / (1 << 29)}

	// hostWidth is the share of the narrowest block that counts: one IPv4 address, or an IPv6
	// /64, which is what one subscriber gets. It stands in for a list without blocks of a
	// family.
	hostWidth = [2]float64{1.0 / (1 << 32), 1.0 / (1 << 61)}
)

// extentOf measures how large a list is.
func extentOf(entries int, sets cidr.Sets) fetch.Extent {
	e := fetch.Extent{Entries: float64(entries)}
	e.Widest = hostWidth
	for _, f := range cidr.Families {
		e.Coverage[f] = sets[f].Share() / usable[f]
		for bits, n := range sets[f].Lengths() {
			if n > 0 {
				e.Widest[f] = max(hostWidth[f], math.Ldexp(1, -bits)/usable[f])
				break // the lengths are in order, the widest first
			}
		}
	}
	return e
}

// pastOf is the past of a feed whose first list is e.
func pastOf(source string, e fetch.Extent, now time.Time) fetch.Past {
	return fetch.Past{Source: source, At: now, Last: e, Most: e, Least: e}
}

// aged returns the past as it counts at now. It fades with time, except for the last good list,
// which is in force. If the clock was set back, nothing fades.
func aged(p fetch.Past, now time.Time) fetch.Past {
	fade := math.Exp2(-min(max(0, now.Sub(p.At).Hours()/pastHalves.Hours()), mostHalves))
	p.Most = extreme(math.Max, scaled(p.Most, fade), p.Last)
	for f := range p.Least.Widest { // an older version wrote zero for a family without blocks
		p.Least.Widest[f] = max(p.Least.Widest[f], hostWidth[f])
	}
	p.Least = extreme(math.Min, scaled(p.Least, 1/fade), p.Last)
	p.Turned *= fade
	if p.Aside.After(now) {
		p.Aside = now
	}
	return p
}

// addedTo returns the past with a list added that was accepted at now; gone is the share of the
// earlier entries that it lacks. The usual turnover does not grow from that: otherwise a list
// could be replaced completely in steps of a half. It can only confirm that a turnover which
// was held back and then believed is still usual.
func addedTo(p fetch.Past, e fetch.Extent, gone float64, now time.Time) fetch.Past {
	p = aged(p, now)
	p.At, p.Last = now, e
	p.Most, p.Least = extreme(math.Max, p.Most, e), extreme(math.Min, p.Least, e)
	if gone > mostTurned && p.Turned > turnsOver {
		p.Turned = max(p.Turned, gone)
	}
	return p
}

func scaled(e fetch.Extent, by float64) fetch.Extent {
	e.Entries *= by
	for f := range e.Coverage {
		e.Coverage[f] *= by
		e.Widest[f] *= by
	}
	return e
}

func extreme(of func(a, b float64) float64, a, b fetch.Extent) fetch.Extent {
	a.Entries = of(a.Entries, b.Entries)
	for f := range a.Coverage {
		a.Coverage[f] = of(a.Coverage[f], b.Coverage[f])
		a.Widest[f] = of(a.Widest[f], b.Widest[f])
	}
	return a
}

// turnover is how many entries a list had, and how many of them a newer list still covers.
type turnover struct{ entries, still int }

// gone is the share of entries that are no longer covered; 0 for an empty list.
func (t turnover) gone() float64 {
	if t.entries == 0 {
		return 0
	}
	return 1 - float64(t.still)/float64(t.entries)
}

// judgeByPast decides whether to believe a body, given the feed's past (aged to now). compare
// counts what is still there of an earlier list. If no earlier list could stay in force
// instead, a list that is too short is accepted: it is better than nothing. It also returns the
// share of entries that are gone.
func judgeByPast(past fetch.Past, compare func(with cidr.Sets) turnover, t cidr.Tally, sets cidr.Sets) (v verdict, gone float64) {
	usual, limits := usualPart(past, sets)
	entries := effective(t, usual)
	before := compare(usual)
	gone = before.gone()
	if v := judgeWidth(past, sets, usual, limits); v.reason != "" {
		return v, gone
	}
	if v := judgeGrowth(past, extentOf(effective(t, sets), sets)); v.reason != "" {
		return v, gone
	}
	switch {
	case before.entries == 0:
	case float64(entries)*mostShrink < past.Most.Entries:
		return verdict{reason: ReasonShrank, why: fmt.Sprintf("%d entries, less than half of the %.0f before", entries, past.Most.Entries)}, gone
	case before.entries >= turnedEntries && gone > past.Turned+mostTurned:
		return verdict{reason: ReasonTurned, why: turnedWords(gone, past.Turned)}, gone
	}
	return verdict{}, gone
}

func turnedWords(gone, usual float64) string {
	return fmt.Sprintf("%s of the entries of before are still in it, less than %s", percent(1-gone), percent(1-usual-mostTurned))
}

// judgeByRest decides whether to believe a body if the feed's last good copy and history are
// lost, and only what stays in force of it is known. That may be less than the list had, so
// growth is not judged. Exempt addresses cut its entries into pieces, so the body counts as
// shrunk only if most of what stays is also gone.
func judgeByRest(rest turnover, entries int) verdict {
	switch gone := rest.gone(); {
	case gone <= mostTurned:
	case entries*mostShrink < rest.entries:
		return verdict{reason: ReasonShrank, why: fmt.Sprintf("%d entries, less than half of the %d that stay of a lost copy", entries, rest.entries)}
	case rest.entries >= turnedEntries:
		return verdict{reason: ReasonTurned, why: turnedWords(gone, 0)}
	}
	return verdict{}
}

// usualPart returns a list without the blocks that are far wider than in its past; limits are
// the widest lengths that are not, by family. It compares with the narrowest of the past, so
// that blocks which widen step by step are noticed too.
func usualPart(past fetch.Past, sets cidr.Sets) (usual cidr.Sets, limits [2]int) {
	for _, f := range cidr.Families {
		bits := int(math.Round(-math.Log2(past.Least.Widest[f] * usable[f])))
		limits[f] = max(0, bits-wider)
		usual[f] = sets[f].Narrow(uint8(limits[f]))
	}
	return usual, limits
}

func judgeWidth(past fetch.Past, sets, usual cidr.Sets, limits [2]int) verdict {
	for _, f := range cidr.Families {
		wide := (sets[f].Share() - usual[f].Share()) / usable[f]
		if n := sets[f].Len() - usual[f].Len(); n > 0 && wide >= smallWide[f] && wide*wideShare >= past.Most.Coverage[f] {
			return verdict{reason: ReasonWidened, why: fmt.Sprintf("%s wider than a /%d, far wider than before, cover %s of %s space", several(n, "block", "blocks"), limits[f], percent(wide), f)}
		}
	}
	return verdict{}
}

func judgeGrowth(past fetch.Past, is fetch.Extent) verdict {
	if e := past.Least.Entries; is.Entries > e*mostGrowth && is.Entries-e > smallEntries {
		return verdict{reason: ReasonGrew, why: fmt.Sprintf("%.0f entries, more than %d times the %.0f before", is.Entries, mostGrowth, e)}
	}
	for _, f := range cidr.Families {
		if c := past.Least.Coverage[f]; is.Coverage[f] > c*mostGrowth && is.Coverage[f]-c > smallGrowth[f] {
			return verdict{reason: ReasonGrew, why: fmt.Sprintf("it covers %s of %s space, more than %d times the %s before", percent(is.Coverage[f]), f, mostGrowth, percent(c))}
		}
	}
	return verdict{}
}

// percent formats a share with two significant digits.
func percent(share float64) string {
	if share >= 0.1 {
		return fmt.Sprintf("%.0f%%", share*100)
	}
	return fmt.Sprintf("%.2g%%", share*100)
}

func several(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// contentOf is a digest of what a list blocks. It does not depend on the order of entries or
// on comments.
func contentOf(sets cidr.Sets) string {
	var sum uint64
	for _, f := range cidr.Families {
		for p := range sets[f].All() {
			sum += p.Hash()
		}
	}
	return fmt.Sprintf("%d-%016x", sets.Len(), sum)
}
