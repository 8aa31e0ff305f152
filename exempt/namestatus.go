package exempt

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/dns"
)

// NameStatus is the state of a name in allow or trunks.
type NameStatus struct {
	Name      string        `json:"name"`
	Reasons   []string      `json:"reasons"`           // allow, trunks
	Addresses []dns.Address `json:"addresses"`         // the exempt addresses
	At        time.Time     `json:"at,omitzero"`       // when the last good answer came
	Failed    *dns.Failure  `json:"failed,omitempty"`  // set if it has failed since then
	Moved     *dns.Move     `json:"moved,omitempty"`   // set while the addresses from before are exempt
	Warning   string        `json:"warning,omitempty"` // about Failed and Moved
}

// status returns the state of the names in allow and trunks, in order.
func (r Resolved) status() []NameStatus {
	var all []NameStatus
	for _, name := range r.all() {
		if !r.Allows(name) {
			continue
		}
		k := r.Answers[name]
		s := NameStatus{Name: name, Reasons: r.friend(name), Addresses: []dns.Address{}, At: k.At, Failed: k.Failed, Moved: k.Moved}
		s.Addresses = append(s.Addresses, k.Addresses...)
		switch {
		case len(k.Addresses) == 0: // reported separately
		case k.Failed != nil:
			s.Warning = failedWords(name, k)
		case k.Moved != nil && len(k.Left()) > 0:
			s.Warning = movedWords(name, k)
		}
		all = append(all, s)
	}
	return all
}

// Unresolved is a name that an admin wants exempt and whose addresses are not known.
type Unresolved struct {
	Name   string
	Of     string // where the name is written
	Remedy string
}

// Of returns where a name is written, for people: keys of the configuration, and
// "voipbl allow".
func (n NameStatus) Of() string {
	var places []string
	for _, reason := range n.Reasons {
		if n.byHand(reason) {
			reason = `"` + ByHand + `"`
		}
		places = append(places, reason)
	}
	return strings.Join(places, " and ")
}

// UnresolvedRemedy returns the remedy for an unresolved name: the given one, unless the
// name is only in the list of "voipbl allow".
func (n NameStatus) UnresolvedRemedy(written string) string {
	if slices.ContainsFunc(n.Reasons, func(reason string) bool { return !n.byHand(reason) }) {
		return written
	}
	return fmt.Sprintf("\"voipbl disallow %s\", and allow its address instead; or mend DNS", n.Name)
}

func (NameStatus) byHand(reason string) bool { return strings.HasPrefix(reason, ByHand) }
