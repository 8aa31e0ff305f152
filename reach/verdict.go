package reach

import "slices"

// Verdict is what happens to packets of an address or prefix.
type Verdict string

const (
	// Blocked: a rule certainly drops or rejects each packet that begins a connection, from
	// all of the addresses, to all ports of this host or to those that the rule names.
	Blocked Verdict = "blocked"

	// PartlyBlocked: that is true only for some of the addresses, or a rule above lets some of
	// the packets in, or only packets for containers are dropped, or ports are reached that
	// the rule should cover: see [PlacesFinder.Reaches].
	PartlyBlocked Verdict = "partly"

	// MayBeBlocked: a rule matches the address, but also something that is not known here,
	// such as a rate limit or a country.
	MayBeBlocked Verdict = "perhaps"

	// NotBlocked: no rule drops the address's packets because of their source.
	NotBlocked Verdict = "no"

	// NotKnown: no such rule was found, but not all rules could be read.
	NotKnown Verdict = "unknown"
)

// JudgePlaces returns the verdict of places. unread says why there may be more.
func JudgePlaces(places []Place, unread []string) Verdict {
	verdict := NotBlocked
	switch {
	case slices.ContainsFunc(places, Place.Blocks):
		return Blocked
	case slices.ContainsFunc(places, func(p Place) bool { return p.Certain }):
		return PartlyBlocked
	case len(places) > 0:
		verdict = MayBeBlocked
	case len(unread) > 0:
		verdict = NotKnown
	}
	return verdict
}
