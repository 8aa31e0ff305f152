package keys

import (
	"github.com/nats-io/jwt/v2"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/beat"
)

// relayLeafs is how many connections a relay may have: one, and those that the server has not yet seen to be broken.
const relayLeafs = 4

// relayAccount describes the account that a relay has at the hub, and returns the subjects that the streams'
// account imports from it: those of its own hosts.
//
// When these change, the server forgets who waits for an answer from the streams' account, and with that whom it is
// to send the next ban: a host asks again when it has heard nothing for half a minute.
func (o *Operator) relayAccount(r Relay, account, streams string) (a *jwt.AccountClaims, says []string) {
	a = jwt.NewAccountClaims(account)
	a.Name = relayName(r.Site)
	a.Limits.LeafNodeConn = relayLeafs
	for _, key := range o.Strangers {
		a.RevokeAt(key, forGood)
	}
	for _, name := range r.Hosts {
		says = append(says, fleet.Subjects(name), beat.Subject(name))
	}
	for _, request := range relayedRequests(r) {
		a.Imports.Add(&jwt.Import{Name: "requests", Subject: jwt.Subject(request), Account: streams, Type: jwt.Service})
	}
	// What is exported is not imported by that: to check a thousand exports takes the server seconds, and it checks
	// no two imports of messages against each other.
	exports := []string{allSlots, beat.Subjects}
	if r.Mirror {
		says, exports = append(says, listSubjects...), append(exports, listSubjects...)
	}
	for _, s := range exports {
		a.Exports.Add(&jwt.Export{Name: "spoken", Subject: jwt.Subject(s), Type: jwt.Stream})
	}
	return a, says
}

// allSlots are those of all hosts.
const allSlots = "v1.ban.*.*"

// relayedRequests are those to JetStream that a relay may make. It makes a consumer by the key of each of its hosts, and
// none by another name. It ends and reads whichever it can name: these requests for each host, too, would have the
// server check nine times as many pairs of imports.
func relayedRequests(r Relay) (subjects []string) {
	subjects = append(commonRequests(), APIPrefix+".CONSUMER.DELETE."+Stream+".*", APIPrefix+".CONSUMER.MSG.NEXT."+Stream+".*")
	if r.Mirror {
		subjects = append(subjects, listInfo)
	}
	for _, key := range r.Keys {
		subjects = append(subjects, createRequest(key))
	}
	return subjects
}
