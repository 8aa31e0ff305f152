package pbx

import "time"

// Limits of what is kept of phones.
const (
	// LongestRegistration is the longest registration that counts. PBXs allow an hour or two, unless
	// told otherwise (Asterisk's maximum_expiration is 7200 seconds); who is registered for longer
	// has to come back within a day.
	LongestRegistration = 24 * time.Hour

	// MostPhones is the largest number of phones.
	MostPhones = 8192

	// MostOfAccount is how many addresses count for one account. Whoever has stolen a password could
	// register from each address of a network. Where there are more, those go first that were not in use
	// for InUse. Of the others half are those that are known for longest, so that no thief pushes out the phone
	// that was there before, and half are those that came last, since phones move.
	MostOfAccount = 16

	// InUse is for how long after its last proof, or after its registration, an address keeps its place among
	// those of its account.
	InUse = 24 * time.Hour
)

// SourceBits6 is the length of an IPv6 network that counts as one source. A ban for what such a source does
// is of this network, whatever bans.ipv6_prefix is: the rest of a narrower ban could go on, and a
// wider one would be of others, and of their phones.
const SourceBits6 = 64

// Transports are those that an observation can have.
var Transports = [...]string{"udp", "tcp", "tls", "ws", "wss"}
