package cidr

// Reason is why a line of a feed was refused. String is the text for people, Key the
// word for JSON and metrics.
type Reason uint8

const (
	Accepted Reason = iota
	NotAddress
	LeadingZero
	BadLength
	Netmask
	Zoned
	MappedTooWide
	ReversedRange
	MixedRange
	MoreAddresses
	LengthDisagrees
	LineTooLong
	NoMatch
	NotOnlyAddress
	LineEnds
	TooWide
	numReasons
)

var reasons = [numReasons]struct{ key, text string }{
	Accepted:        {"accepted", "accepted"},
	NotAddress:      {"not-an-address", "not an address, prefix or range"},
	LeadingZero:     {"leading-zero", "an octet with a leading zero, which some programs read as octal"},
	BadLength:       {"bad-length", "the prefix length is not a number from 0 to 32 (IPv6: 128)"},
	Netmask:         {"netmask", "a mask with gaps, or one turned around: write the prefix length"},
	Zoned:           {"zone", "an address with a zone means one link of one host"},
	MappedTooWide:   {"mapped-too-wide", "an IPv4-mapped prefix shorter than /96 is more than IPv4"},
	ReversedRange:   {"reversed-range", "the range ends before it starts"},
	MixedRange:      {"mixed-range", "the range starts and ends in different families"},
	MoreAddresses:   {"more-addresses", "more than one address, and they are no range: write one entry a line"},
	LengthDisagrees: {"length-disagrees", "the length or mask behind the addresses is not theirs"},
	LineTooLong:     {"line-too-long", "the line is longer than 4096 bytes"},
	NoMatch:         {"nomatch", "an exception (nomatch) of a saved set: put it in allow instead"},
	NotOnlyAddress:  {"not-only-address", "the saved set holds more than an address: blocking all of it is more than was written"},
	LineEnds:        {"line-ends", "carriage returns inside the line: the file needs LF line ends"},
	TooWide:         {"too-wide", "wider than the limit"},
}

func (r Reason) String() string { return reasons[r].text }

// Key returns a short name that never changes.
func (r Reason) Key() string { return reasons[r].key }

// Reasons yields every reason for which a line can be rejected.
func Reasons(yield func(Reason) bool) {
	for r := NotAddress; r < numReasons; r++ {
		if !yield(r) {
			return
		}
	}
}
