package exempt

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/dns"
)

// NameStatus is what is known of a name of allow or trunks.
type NameStatus struct {
	Name      string        `json:"name"`
	Reasons   []string      `json:"reasons"`           // allow, trunks
	Addresses []dns.Address `json:"addresses"`         // that are exempt
	At        time.Time     `json:"at,omitzero"`       // of the last good answer
	Failed    *dns.Failure  `json:"failed,omitempty"`  // since then
	Moved     *dns.Move     `json:"moved,omitempty"`   // while what it left is exempt
	Warning   string        `json:"warning,omitempty"` // about these two
}

// status tells of the names of allow and trunks, in order.
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
		case len(k.Addresses) == 0: // is a problem of its own
		case k.Failed != nil:
			s.Warning = failedWords(name, k)
		case k.Moved != nil && len(k.Left()) > 0:
			s.Warning = movedWords(name, k)
		}
		all = append(all, s)
	}
	return all
}

// Unresolved is a name that an admin wants exempt, and of which no address is known.
type Unresolved struct {
	Name   string
	Of     string // where it is written
	Remedy string
}

// Of is where a name is written: keys of the configuration, and the list of "voipbl
// allow", which no file of the admin's has.
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

// UnresolvedRemedy is written, unless the name is in the list of "voipbl allow" alone.
func (n NameStatus) UnresolvedRemedy(written string) string {
	if slices.ContainsFunc(n.Reasons, func(reason string) bool { return !n.byHand(reason) }) {
		return written
	}
	return fmt.Sprintf("\"voipbl disallow %s\", and allow its address instead; or mend DNS", n.Name)
}

func (NameStatus) byHand(reason string) bool { return strings.HasPrefix(reason, ByHand) }
