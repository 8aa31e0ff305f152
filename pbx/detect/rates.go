package detect

import "github.com/voipbl/voipbl/pbx"

const (
	unknownPer  = 0.2 // a second
	requestsPer = 1.0 // a second
)

// suspect is what has come of a stranger that anybody can have sent, or that phones do too.
type suspect struct {
	stranger
	unknown, requests bucket
	ignored           moment // since when it does not count for a while; 0 if it does
}

// rated takes in what is not proved, and what counts by its rate only.
func (d *Detector) rated(e event, trap string) []Verdict {
	r := d.unproved.get(e.source)
	if r.ignored != 0 && e.at.since(r.ignored) < inFlight {
		return nil
	}
	if !r.enough(e, trap, d.hash(e.Method), d.settings, d.limits(e.source)) {
		return nil
	}
	if d.friend(e.Source.Addr()) {
		*r = suspect{ignored: d.now}
		return nil
	}
	if !d.mayRate() {
		return nil
	}
	evidence, reason := r.tally.evidence(spread(r.tried[:]).n(e.at)), trap
	if reason == "" {
		reason = evidence.String()
	}
	if r.forged {
		reason += ", not proved"
	} else {
		reason += ", proved"
	}
	b := Ban{Addr: e.Source.Addr(), For: d.settings.UnprovedFor, Reason: reason, Proved: !r.forged, Evidence: evidence}
	*r = suspect{ignored: d.now, stranger: stranger{last: r.last, day: r.day, tally: r.tally, forged: r.forged}}
	return []Verdict{b}
}

// enough takes an observation in, and returns whether that is enough for a ban.
func (r *suspect) enough(e event, trap string, method uint32, s Settings, l limits) bool {
	passed := e.at.since(r.last)
	r.unknown.add(0, passed, unknownPer)
	r.requests.add(0, passed, requestsPer)
	before := r.tally
	r.fade(e.at, l)
	switch {
	case r.unknown > 0 || r.requests > 0:
		r.tally = before
	case r.tally == tally{}:
		r.forged = false
	}
	r.forged = r.forged || !e.Proved
	switch {
	case trap != "": // two of these are enough
		return r.count(e, method, float64(l.atOnce)/2, 1, l)
	case e.What == pbx.WrongPassword: // not proved: see strange
		return r.count(e, method, 1, 1, l)
	case e.What == pbx.UnknownAccount:
		r.unknown++
	default:
		r.requests++
	}
	r.tally.add(e.What, e.at)
	return r.unknown.full(s.Unknown) || r.requests.full(s.Requests)
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
