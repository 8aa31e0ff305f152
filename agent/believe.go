package agent

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/voipbl/voipbl/fetch"
)

const (
	// Agreeing is how many fetches in a row must agree before a list is believed that
	// its past speaks against.
	Agreeing = 3

	// alike is how far, in tenths, the numbers of entries and the coverage of agreeing
	// fetches may differ.
	alike = 1
)

// heldBack reports whether a list is refused for what its past was, so that it is believed
// when it comes again.
func heldBack(reason fetch.Reason) bool {
	return slices.Contains([]fetch.Reason{reasonShrank, reasonGrew, reasonWidened, reasonTurned}, reason)
}

// agree counts how many fetches in a row say the same as a body that is to be held back,
// given what is remembered of the one before. It returns what is to be remembered of this
// one, or nil if it is believed.
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

// sameHeld reports whether two lists were held back for the same: they are the same list,
// or about as large, for the same reason.
func sameHeld(a, b fetch.Held) bool {
	if a.Content != "" && a.Content == b.Content {
		return true
	}
	return a.Reason == b.Reason && similar(float64(a.Entries), float64(b.Entries)) &&
		similar(a.Coverage[0], b.Coverage[0]) && similar(a.Coverage[1], b.Coverage[1])
}

func similar(a, b float64) bool { return math.Abs(a-b)*10 <= a*alike }

// verdict judges a body, and keeps in state what is to be remembered of it.
func (r *reader) verdict(f *feed, body content, prior fetch.Meta, sum string, state *fetch.State) verdict {
	if v := foreignVerdict(body); v.reason != "" {
		return v
	}
	if v := judge(f.Feed, body.tally, body.sets); v.reason != "" {
		return v
	}
	is := extentOf(effective(body.tally, body.sets), body.sets)
	content := contentOf(body.sets)
	past, last := r.past(f, prior, sum, state)
	if past == nil || r.force {
		r.accept(state, pastOf(f.report.Source, is, r.now), content)
		return verdict{}
	}
	v, kept := judgeByPast(aged(*past, r.now), last.sets, body.tally, body.sets)
	if v.reason == "" {
		r.accept(state, addedTo(*past, is, kept, r.now), content)
		return v
	}
	v, state.Held = agree(state.Held, v, is, content, r.now)
	if v.reason == "" {
		anew := pastOf(f.report.Source, is, r.now)
		anew.Kept = kept
		r.accept(state, anew, content)
	}
	return v
}

// past is what is known of the lists before, nil if nothing is, and the last good one. That
// is not read if it is the same as the new one, whose digest is sum.
func (r *reader) past(f *feed, prior fetch.Meta, sum string, state *fetch.State) (*fetch.Past, content) {
	past := state.Past
	if past != nil && past.Source != f.report.Source {
		past = nil
	}
	if prior.SHA256 == "" || past != nil && prior.SHA256 == sum {
		return past, content{}
	}
	last, _, err := r.readCopy(f.Name)
	if err != nil {
		f.warn("feed %s: %v: it is not compared with the new list", f.Name, err)
		return past, content{}
	}
	if past == nil {
		p := pastOf(f.report.Source, extentOf(effective(last.tally, last.sets), last.sets), prior.FetchedAt)
		past = &p
	}
	if state.Content == "" {
		state.Content, state.ContentChanged = contentOf(last.sets), prior.FetchedAt
	}
	return past, last
}

// accept notes a list that is believed.
func (r *reader) accept(state *fetch.State, past fetch.Past, content string) {
	state.Held, state.Past = nil, &past
	if state.Content != content {
		state.Content, state.ContentChanged = content, r.now
	}
}
