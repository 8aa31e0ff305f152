package reach

import "slices"

// Verdict is what becomes of packets of an address or prefix.
type Verdict string

const (
	// Blocked is that a rule drops or rejects each packet that begins something, for
	// certain, from all of the addresses: to all ports of this host, or to those that the
	// rule names.
	Blocked Verdict = "blocked"

	// PartlyBlocked is that this holds for some of the addresses, that a rule above lets
	// some of the packets in, that only packets for containers are dropped, or that ports
	// are reached which the rule should be for: see [PlacesFinder.reaches].
	PartlyBlocked Verdict = "partly"

	// MayBeBlocked is that a rule asks for the address, and for more that cannot be told
	// from outside, such as a limit or a country.
	MayBeBlocked Verdict = "perhaps"

	// NotBlocked is that no rule asks for the address and drops it.
	NotBlocked Verdict = "no"

	// NotKnown is that no such rule was found, and not all rules could be read.
	NotKnown Verdict = "unknown"
)

// judge is the verdict of places.
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
