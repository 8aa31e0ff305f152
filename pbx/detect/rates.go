package detect

import (
	"time"

	"github.com/voipbl/voipbl/pbx"
)

const (
	unknownPer  = 0.2 // a second
	requestsPer = 1.0 // a second

	// unknownFor is for how long unknown accounts are asked for before that counts, unless there are many. The
	// account may be in the answer to the challenge only; phones whose answer is right are there by then.
	unknownFor = 2 * time.Second
)

// rate is what has come of a stranger that counts by its rate only.
type rate struct {
	last              moment
	unknown, requests bucket
	since             moment // when the unknown accounts that count have begun
	tally             tally
	ignored           moment // since when nothing counts that is not proved; 0 if it does
	forged            bool   // not all of it is proved
}

// rated takes in what is not proved, and what counts by its rate only.
func (d *Detector) rated(e event, trap string) []Verdict {
	if r := d.rates.peek(e.source); r != nil && r.ignored != 0 && e.at.since(r.ignored) < inFlight {
		return nil
	}
	var evidence Evidence
	forged := true
	if trap != "" || e.What == pbx.WrongPassword { // not proved: see strange
		s, l := d.unproved.get(e.source), d.limits(e.source)
		n, slow := weight(e.What)
		if trap != "" { // two of these are enough
			n, slow = float64(l.atOnce)/2, 1
		}
		s.fade(e.at, l)
		if !s.count(e, d.hash(e.Method), n, slow, l) {
			return nil
		}
		evidence = s.evidence(e.at)
	} else {
		r := d.rates.get(e.source)
		if !r.add(e, d.settings) {
			return nil
		}
		evidence, forged = r.tally.evidence(0), r.forged
	}
	if d.friend(e.Source.Addr()) {
		*d.rates.get(e.source) = rate{ignored: d.now}
		d.unproved.remove(e.source)
		return nil
	}
	if !d.mayRate() {
		return nil
	}
	*d.rates.get(e.source) = rate{ignored: d.now}
	if s := d.unproved.peek(e.source); s != nil {
		*s = stranger{last: s.last, day: s.day, tally: s.tally}
	}
	reason := trap
	if trap == "" {
		reason = evidence.String()
	}
	if forged {
		reason += ", not proved"
	} else {
		reason += ", proved"
	}
	return []Verdict{Ban{Addr: e.Source.Addr(), For: d.settings.UnprovedFor, Reason: reason, Proved: !forged, Evidence: evidence}}
}

// add takes a request in, and returns whether there are too many.
func (r *rate) add(e event, s Settings) bool {
	unknown, requests := 0.0, 1.0
	if e.What == pbx.UnknownAccount {
		unknown, requests = 1, 0
	}
	passed := e.at.since(r.last)
	r.last = max(r.last, e.at)
	r.unknown.add(unknown, passed, unknownPer)
	r.requests.add(requests, passed, requestsPer)
	if r.unknown == bucket(unknown) {
		r.since = e.at
	}
	if r.unknown == bucket(unknown) && r.requests == bucket(requests) { // all that was before has run out
		r.tally, r.forged = tally{}, false
	}
	r.tally.add(e.What, e.at)
	r.forged = r.forged || !e.Proved
	return r.unknown.full(s.Unknown) && e.at.since(r.since) >= unknownFor || r.unknown.full(s.Requests) || r.requests.full(s.Requests)
}

// mayRate takes one of the bans that there may be in a minute.
func (d *Detector) mayRate() bool {
	most := float64(d.settings.UnprovedMax)
	d.unprovedBans.add(0, d.now.since(d.unprovedLast), most/60)
	d.unprovedLast = d.now
	if float64(d.unprovedBans)+1 > most {
		return false
	}
	d.unprovedBans++
	return true
}
