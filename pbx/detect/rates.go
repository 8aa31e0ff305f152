package detect

import "github.com/voipbl/voipbl/pbx"

const (
	failuresPer = 0.2 // a second
	requestsPer = 1.0 // a second
	trapped     = 3   // as many failures is one packet in a trap
)

// rate is how much of a stranger has come that anybody can have sent, or that phones do too.
type rate struct {
	last               moment
	failures, requests bucket
	tally              tally
	forged             bool   // not all of it is proved
	banned             moment // 0 if not
}

// rated takes in what counts by its rate only.
func (d *Detector) rated(e event, trap bool) []Verdict {
	r := d.unproved.get(e.source)
	if r.banned != 0 && e.at.since(r.banned) < inFlight {
		return nil
	}
	failures, requests := 0.0, 1.0
	switch {
	case trap:
		failures, requests = trapped, 0
	case e.What == pbx.WrongPassword || e.What == pbx.UnknownAccount:
		failures, requests = 1, 0
	}
	passed := e.at.since(r.last)
	r.last = max(r.last, e.at)
	r.failures.add(failures, passed, failuresPer)
	r.requests.add(requests, passed, requestsPer)
	if r.failures == bucket(failures) && r.requests == bucket(requests) { // all that was before has run out
		r.tally, r.forged = tally{}, false
	}
	r.forged = r.forged || !e.Proved
	r.tally.add(e.What, e.at)
	if !r.failures.full(d.settings.Failures) && !r.requests.full(d.settings.Requests) {
		return nil
	}
	evidence, forged := r.tally.evidence(0), r.forged
	if d.friend(e.Source.Addr()) {
		*r = rate{}
		return nil
	}
	passed = d.now.since(d.unprovedLast)
	d.unprovedLast = d.now
	d.unprovedBans.add(0, passed, float64(d.settings.UnprovedMax)/60)
	if float64(d.unprovedBans)+1 > float64(d.settings.UnprovedMax) {
		return nil
	}
	d.unprovedBans++
	*r = rate{banned: d.now}
	b := Ban{Addr: e.Source.Addr(), For: d.settings.UnprovedFor, Reason: evidence.String() + ", proved", Proved: !forged, Evidence: evidence}
	if forged {
		b.Reason = evidence.String() + ", not proved"
	}
	return []Verdict{b}
}
