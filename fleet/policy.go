package fleet

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/voipbl/voipbl/fleet/link"
)

// Policy says what of that which others say counts here. The package comment says why.
type Policy struct {
	Self    Name          // this host
	Trust   []string      // sites and hosts whose word alone counts
	Revoked []string      // hosts whose word does not count
	Agree   int           // else so many sites must agree; less than 1: no number is enough
	Proved  bool          // only bans of proved attackers count
	Longest time.Duration // no ban lasts longer after it was made
	PerHost int           // of one host so many count, the newest
	Most    int           // so many count altogether, the newest
}

// trusts reports whether the word of a host counts alone.
func (p Policy) trusts(n Name) bool {
	return slices.Contains(p.Trust, string(n)) || slices.Contains(p.Trust, n.Site())
}

// Verdict is a ban that counts. Times are by the clock of Heard.
type Verdict struct {
	Addr   netip.Addr
	Until  time.Duration // when too few say so
	Made   time.Duration // when the newest of the bans was made
	By     []Name        // who says so: link.MaxBy at most, by name, and enough of them that it counts until then
	Why    string        // of the one whose ban lasts longest
	Proved bool          // all of By say so
}

// word is what a host says about the address in question.
type word struct {
	*host
	statement
}

// judge returns what counts of the words about one address, which it reorders.
func (p Policy) judge(words []word, now time.Duration) (Verdict, bool) {
	words = p.count(words, now)
	var buf [2 * link.MaxBy]int // so that nothing is allocated for what does not count
	end, deciding := p.decide(words, buf[:0])
	if end <= now {
		return Verdict{}, false
	}
	by := chosen(deciding, len(words))
	v := Verdict{Addr: words[0].key.addr(), Until: end, Made: words[by[0]].made, Proved: true}
	v.By = make([]Name, 0, len(by))
	v.Why = words[by[0]].reason.Value().why
	for _, i := range by {
		w := words[i]
		v.By = append(v.By, w.name)
		v.Made = max(v.Made, w.made)
		v.Proved = v.Proved && w.reason.Value().proved
	}
	slices.Sort(v.By)
	return v, true
}

// count returns those words that count, each with the end that counts: the longest first.
func (p Policy) count(words []word, now time.Duration) []word {
	n := 0
	for _, w := range words {
		w.end = min(w.end, after(w.made, p.Longest))
		if w.end <= now || w.revoked || w.cuts.leavesOut(w.statement) || p.Proved && !w.reason.Value().proved {
			continue
		}
		words[n] = w
		n++
	}
	words = words[:n]
	slices.SortFunc(words, func(a, b word) int {
		return cmp.Or(cmp.Compare(b.end, a.end), cmp.Compare(a.name, b.name))
	})
	return words
}

// decide returns until when sorted words are enough, and which of them are needed for that: first one of
// another host than this one. The end is the start of all time if they are not enough at all. deciding
// is empty, and may have room.
func (p Policy) decide(words []word, deciding []int) (end time.Duration, _ []int) {
	const not = -never
	trusted, agreed, other := not, not, not
	var buf [link.MaxBy]int
	sites := buf[:0]
	for i, w := range words {
		needed := false
		if w.name != p.Self && other == not {
			other, needed = w.end, true
		}
		if w.name != p.Self && w.trusted && trusted == not {
			trusted, needed = w.end, true
		}
		if len(sites) < p.Agree && !slices.Contains(sites, w.site) {
			sites, needed = append(sites, w.site), true
			if len(sites) == p.Agree {
				agreed = w.end
			}
		}
		if needed {
			deciding = append(deciding, i)
		}
	}
	if other == not {
		return not, nil
	}
	// This host's own ban may be the longest.
	first := slices.IndexFunc(deciding, func(i int) bool { return words[i].name != p.Self })
	deciding[0], deciding[first] = deciding[first], deciding[0]
	return max(trusted, min(agreed, other)), deciding
}

// chosen returns which of n words are named: those needed, and the longest of the others. It adds them
// to needed.
func chosen(needed []int, n int) []int {
	all := needed[:min(len(needed), link.MaxBy)]
	for i := 0; i < n && len(all) < link.MaxBy; i++ {
		if !slices.Contains(needed, i) {
			all = append(all, i)
		}
	}
	return all
}
