package feeds

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/fetch"
)

const (
	// Agreeing is how many fetches in a row must agree before a list is believed that is
	// unlike its past.
	Agreeing = 3

	// alike is how far, in tenths, the numbers of entries and the coverage of agreeing
	// fetches may differ.
	alike = 1
)

// HeldBack reports whether a list is refused for being unlike its past. Then it is believed
// once enough fetches agree.
func HeldBack(reason fetch.Reason) bool {
	return slices.Contains([]fetch.Reason{ReasonShrank, ReasonGrew, ReasonWidened, ReasonTurned}, reason)
}

// agree counts how many fetches in a row agree with a body that should be held back. before is
// what was noted of the previous one. It returns what to note of this body, or nil if the body
// is now believed.
func agree(before *fetch.Held, v verdict, is fetch.Extent, content string, now time.Time) (verdict, *fetch.Held) {
	h := &fetch.Held{Since: now, Reason: string(v.reason), Entries: int(is.Entries), Coverage: is.Coverage, Content: content, Agreed: 1}
	if before != nil && sameHeld(*before, *h) {
		h.Agreed, h.Since = before.Agreed+1, before.Since
	}
	if h.Agreed >= Agreeing {
		return verdict{}, nil
	}
	v.why += fmt.Sprintf("; it is believed when %d fetches in a row agree (this is number %d), or with --force", Agreeing, h.Agreed)
	return v, h
}

// sameHeld reports whether two lists that were held back agree: they have the same content, or
// are about as large and were held back for the same reason.
func sameHeld(a, b fetch.Held) bool {
	if a.Content == b.Content { // the content of a new one is never empty
		return true
	}
	return a.Reason == b.Reason && similar(float64(a.Entries), float64(b.Entries)) &&
		similar(a.Coverage[0], b.Coverage[0]) && similar(a.Coverage[1], b.Coverage[1])
}

func similar(a, b float64) bool { return math.Abs(a-b)*10 <= a*alike }

// verdict decides whether a body is believed, and notes in state what later fetches need.
func (r *Reader) verdict(f *Feed, body content, prior fetch.Meta, sum string, state *fetch.State) verdict {
	if v := foreignVerdict(body); v.reason != "" {
		return v
	}
	if v := judge(f.Feed, body.tally, body.sets); v.reason != "" {
		return body.notAList(v)
	}
	is := extentOf(effective(body.tally, body.sets), body.sets)
	content := contentOf(body.sets)
	past := r.past(f, prior, state)
	anew := pastOf(f.source, is, r.now)
	var (
		v    verdict
		gone float64
	)
	switch {
	case r.force && past != nil:
		anew.Turned = aged(*past, r.now).Turned
	case r.force:
	case past != nil:
		now := aged(*past, r.now)
		anew.Turned = now.Turned
		compare := func(with cidr.Sets) turnover { return r.compare(f, past, prior, with) }
		if prior.SHA256 == sum { // the same list again, the usual case
			compare = func(cidr.Sets) turnover { return turnover{body.tally.Entries, body.tally.Entries} }
		}
		if v, gone = judgeByPast(now, compare, body.tally, body.sets); v.reason == "" {
			r.accept(state, r.aside(f, addedTo(*past, is, gone, r.now), prior), content)
			return v
		}
	case state.Past == nil:
		v = judgeByRest(r.compareRest(f, body.sets, nil), effective(body.tally, body.sets))
	}
	if v.reason != "" {
		reason := v.reason
		if v, state.Held = agree(state.Held, v, is, content, r.now); v.reason != "" {
			return v
		}
		if reason == ReasonTurned {
			anew.Turned = max(anew.Turned, gone)
		}
	}
	r.accept(state, anew, content)
	return v
}

// asidePrefix begins the file name of a list that was put aside. No feed's name begins like
// that.
const asidePrefix = "_past."

// aside puts the last good copy aside before it is replaced, if that is due, and notes when.
// Later lists are compared with it.
func (r *Reader) aside(f *Feed, past fetch.Past, prior fetch.Meta) fetch.Past {
	if r.dryRun || prior.SHA256 == "" || !past.Aside.IsZero() && r.now.Sub(past.Aside) < asideFor {
		return past
	}
	if err := r.store.PutAside(f.Name, asidePrefix+f.Name); err != nil {
		f.warn("feed %s: the next list is compared with this one alone: %v", f.Name, err)
		past.Aside = time.Time{}
		return past
	}
	past.Aside = r.now
	return past
}

// past returns what is known of the feed's earlier lists; nil if nothing is. If an older
// version left a copy without a history, the past is that of the copy.
func (r *Reader) past(f *Feed, prior fetch.Meta, state *fetch.State) *fetch.Past {
	if state.Past != nil && state.Past.Source == f.source {
		return state.Past
	}
	if prior.SHA256 == "" {
		return nil
	}
	last, _, err := r.readCopy(f.Name)
	if err != nil {
		f.warn("feed %s: %v: it is not compared with the new list", f.Name, err)
		return nil
	}
	if state.Content == "" {
		state.Content, state.ContentChanged = contentOf(last.sets), prior.FetchedAt
	}
	past := pastOf(f.source, extentOf(effective(last.tally, last.sets), last.sets), prior.FetchedAt)
	return &past
}

// compare counts what a new list still has of an earlier one: of the list that was put aside,
// else of the last good copy or, if that is lost, of what stays in force of it.
func (r *Reader) compare(f *Feed, past *fetch.Past, prior fetch.Meta, with cidr.Sets) turnover {
	if prior.SHA256 == "" {
		return r.compareRest(f, with, past)
	}
	if !past.Aside.IsZero() {
		t, err := r.compareCopy(asidePrefix+f.Name, with)
		if err == nil {
			return t
		}
		f.warn("feed %s: %v: the new list is compared with the last one alone", f.Name, err)
		past.Aside = time.Time{} // so that the next list is put aside
	}
	t, err := r.compareCopy(f.Name, with)
	if err != nil {
		f.warn("feed %s: %v: the new list is compared with what is in force", f.Name, err)
		return r.compareRest(f, with, past)
	}
	return t
}

// compareRest is compare with what stays in force of a list whose last good copy is lost. If
// several copies are lost, their entries may be mixed up: then it counts at most as many as the
// list had, or none if that is not known.
func (r *Reader) compareRest(f *Feed, with cidr.Sets, past *fetch.Past) (t turnover) {
	live := r.live
	if past == nil {
		live = func() cidr.Sets { return r.unremembered(f) }
	}
	rest, alone := r.remaining(f.Name, live)
	if past == nil && !alone {
		return t
	}
	for p := range allOf(rest) {
		t.entries++
		if with.Contains(p) {
			t.still++
		}
	}
	if past != nil {
		t.entries = min(t.entries, int(past.Last.Entries))
		t.still = min(t.still, t.entries)
	}
	return t
}

// compareCopy is compare with a copy on disk. It reads the copy line by line, to save memory.
func (r *Reader) compareCopy(name string, with cidr.Sets) (t turnover, err error) {
	c, err := r.store.Open(name)
	if err != nil {
		return t, err
	}
	defer c.Close()
	policy := PolicyOf(r.limits)
	for _, in := range c.Parts() {
		for sc := cidr.NewScanner(in); sc.Scan(); {
			ps := sc.Prefixes()
			if sc.Reason() != cidr.Accepted || policy.TooWide(ps) {
				continue
			}
			for _, p := range ps {
				if cidr.SpecialSpace.Contains(p) {
					continue
				}
				t.entries++
				if with.Contains(p) {
					t.still++
				}
			}
		}
	}
	return t, c.Verify()
}

// accept notes in state a list that is believed.
func (r *Reader) accept(state *fetch.State, past fetch.Past, content string) {
	state.Held, state.Past = nil, &past
	if state.Content != content {
		state.Content, state.ContentChanged = content, r.now
	}
}
