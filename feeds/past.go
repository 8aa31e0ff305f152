package feeds

import (
	"fmt"
	"math"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/fetch"
)

// A list from the network is judged by its own past: by what its lists were like during
// the last weeks, and by how much of the one of some days ago is still in it. So what
// changes step by step is seen as well as what changes at once. What differs a lot may be
// right, and is believed after a while (see agree); until then the last good copy stays in
// force.

const (
	// pastHalves is after how long the largest list of the past counts half, and the
	// smallest twice. Lists that change in earnest do so over months: VoIPBL's had
	// 16,203 entries in June 2016 and 71,642 in April 2019.
	pastHalves = 30 * 24 * time.Hour

	// mostHalves is after how many of these times nothing is left to fade.
	mostHalves = 64

	// mostShrink is the part, as a divisor, that a list must have of the largest of
	// its past. The VoIPBL list went from 71,642 to 29,791 entries once, for good.
	mostShrink = 2

	// mostGrowth is how often the smallest list of its past one may hold. Those two
	// lists of VoIPBL, three years apart, are 4.4 times in entries and 4.5 in
	// coverage.
	mostGrowth = 5

	// smallEntries is how many entries a list may gain in any case: short lists grow by
	// large factors when they are young.
	smallEntries = 10_000

	// wider is by how many bits a block may be wider than the widest of that list of
	// its past whose widest was the narrowest. The widest of VoIPBL's was a /27 in 2016
	// and a /24 in 2019.
	wider = 4

	// wideShare is the share of what the list covered in its past, as a divisor, that
	// such blocks may cover: one of 16 addresses matters little.
	wideShare = 10

	// turnedEntries is how long a list is before its turnover counts. A list of the 20
	// worst networks of a day is another one the next day.
	turnedEntries = 100

	// mostTurned is which share of its entries may be gone since the list that was put
	// aside, beyond what is usual for it.
	mostTurned = 0.5

	// asideFor is how long a list is what turnover is measured by. Half a list can be
	// other entries in that time without a word.
	asideFor = 7 * 24 * time.Hour

	// turnsOver is how much turnover must be usual for a list for one that turns over
	// to show that it still is: after a month without, what was believed then counts
	// no more.
	turnsOver = 0.25
)

var (
	// smallGrowth is what a list may cover in any case, of each family's space: a /16
	// of IPv4; of IPv6 what 16 providers have, a /28 of 2000::/3.
	smallGrowth = [2]float64{1.0 / (1 << 16), 1.0 / (1 << 25)}

	// smallWide is what far wider blocks may cover in any case: less than a /20 of
	// IPv4, or than one provider's /32 of 2000::/3.
	smallWide = [2]float64{1.0 / (1 << 20), 1.0 / (1 << 29)}

	// hostWidth is the share of the narrowest block that counts, and that of a list
	// without any of a family: whoever has IPv6 gets a /64.
	hostWidth = [2]float64{1.0 / (1 << 32), 1.0 / (1 << 61)}
)

// extentOf measures a list.
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

// aged is the past as it counts at now: it fades, but for the last good list, which is
// in force. A clock that was set back takes nothing away.
func aged(p fetch.Past, now time.Time) fetch.Past {
	fade := math.Exp2(-min(max(0, now.Sub(p.At).Hours()/pastHalves.Hours()), mostHalves))
	p.Most = extreme(math.Max, scaled(p.Most, fade), p.Last)
	for f := range p.Least.Widest { // of an older version, zero for a family without blocks
		p.Least.Widest[f] = max(p.Least.Widest[f], hostWidth[f])
	}
	p.Least = extreme(math.Min, scaled(p.Least, 1/fade), p.Last)
	p.Turned *= fade
	if p.Aside.After(now) {
		p.Aside = now
	}
	return p
}

// addedTo is the past after a list that was accepted at now, of which that share of the
// entries of before was gone. What is usual to be gone is not learnt from it, or half and
// half again would make up the whole: it can only show that a turnover which was believed
// for good is still usual.
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

// turnover is how many entries a list had, and how many of them another one covers.
type turnover struct{ entries, still int }

// gone is the share that is not there any more; 0 of an empty list.
func (t turnover) gone() float64 {
	if t.entries == 0 {
		return 0
	}
	return 1 - float64(t.still)/float64(t.entries)
}

// judgeByPast decides about a body whose feed had that past (aged to now). compare tells
// what is still there of an earlier list. If there is none to stay in force instead, a
// list that is too short is better than nothing. It returns also the share that is gone.
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
		return verdict{ReasonShrank, fmt.Sprintf("%d entries, less than half of the %.0f before", entries, past.Most.Entries)}, gone
	case before.entries >= turnedEntries && gone > past.Turned+mostTurned:
		return verdict{ReasonTurned, turnedWords(gone, past.Turned)}, gone
	}
	return verdict{}, gone
}

func turnedWords(gone, usual float64) string {
	return fmt.Sprintf("%s of the entries of before are still in it, less than %s", percent(1-gone), percent(1-usual-mostTurned))
}

// judgeByRest decides about a body of whose feed nothing is known but what stays in force
// of it: its last good copy is lost, and what was remembered with it. That may be less than
// what it had, so that it says nothing about growth; and it is cut up where something is
// exempt, so that it counts as shrunk only if most of it is gone, too.
func judgeByRest(rest turnover, entries int) verdict {
	switch gone := rest.gone(); {
	case gone <= mostTurned:
	case entries*mostShrink < rest.entries:
		return verdict{ReasonShrank, fmt.Sprintf("%d entries, less than half of the %d that stay of a lost copy", entries, rest.entries)}
	case rest.entries >= turnedEntries:
		return verdict{ReasonTurned, turnedWords(gone, 0)}
	}
	return verdict{}
}

// usualPart is a list without the blocks that are far wider than those of its past; limits
// are the widest that are not, by family. Its past is the least that it had: wider blocks
// step by step are wider blocks.
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
			return verdict{ReasonWidened, fmt.Sprintf("%s wider than a /%d, far wider than before, cover %s of %s space", several(n, "block", "blocks"), limits[f], percent(wide), f)}
		}
	}
	return verdict{}
}

func judgeGrowth(past fetch.Past, is fetch.Extent) verdict {
	if e := past.Least.Entries; is.Entries > e*mostGrowth && is.Entries-e > smallEntries {
		return verdict{ReasonGrew, fmt.Sprintf("%.0f entries, more than %d times the %.0f before", is.Entries, mostGrowth, e)}
	}
	for _, f := range cidr.Families {
		if c := past.Least.Coverage[f]; is.Coverage[f] > c*mostGrowth && is.Coverage[f]-c > smallGrowth[f] {
			return verdict{ReasonGrew, fmt.Sprintf("it covers %s of %s space, more than %d times the %s before", percent(is.Coverage[f]), f, mostGrowth, percent(c))}
		}
	}
	return verdict{}
}

// percent is a share in words, with two digits that count.
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

// contentOf is a digest of what a list blocks: the same for the same entries in another
// order, or between other comments.
func contentOf(sets cidr.Sets) string {
	var sum uint64
	for _, f := range cidr.Families {
		for p := range sets[f].All() {
			sum += p.Hash()
		}
	}
	return fmt.Sprintf("%d-%016x", sets.Len(), sum)
}
