package agent

import (
	"slices"
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
func (r resolved) status() []NameStatus {
	var all []NameStatus
	for _, name := range r.all() {
		if !r.allows(name) {
			continue
		}
		k := r.answers[name]
		s := NameStatus{Name: name, Reasons: slices.Clone(r.allowed[name]), Addresses: []dns.Address{}, At: k.At, Failed: k.Failed, Moved: k.Moved}
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
