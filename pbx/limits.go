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
	// register from each address of a network.
	MostOfAccount = 16
)

// Transports are those that an observation can have.
var Transports = [...]string{"udp", "tcp", "tls", "ws", "wss"}
