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
	ignored            moment // since when it does not count for a while; 0 if it does
}

// rated takes in what counts by its rate only.
func (d *Detector) rated(e event, trap string) []Verdict {
	r := d.unproved.get(e.source)
	if r.ignored != 0 && e.at.since(r.ignored) < inFlight {
		return nil
	}
	failures, requests := 0.0, 1.0
	switch {
	case trap != "":
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
	r.tally.add(e.What, e.at)
	r.forged = r.forged || !e.Proved
	if !r.failures.full(d.settings.Failures) && !r.requests.full(d.settings.Requests) {
		return nil
	}
	if d.friend(e.Source.Addr()) {
		*r = rate{ignored: d.now}
		return nil
	}
	if !d.mayRate() {
		return nil
	}
	evidence, reason := r.tally.evidence(0), trap
	if reason == "" {
		reason = evidence.String()
	}
	if r.forged {
		reason += ", not proved"
	} else {
		reason += ", proved"
	}
	b := Ban{Addr: e.Source.Addr(), For: d.settings.UnprovedFor, Reason: reason, Proved: !r.forged, Evidence: evidence}
	*r = rate{ignored: d.now}
	return []Verdict{b}
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
