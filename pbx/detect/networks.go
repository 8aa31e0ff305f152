package detect

// manySources is how many /64 of one IPv6 network /48 are banned in a day, for what is proved, until
// the others in there are banned sooner.
const manySources = 4

// network is an IPv6 network /48, with those of its /64 that were banned last.
type network [manySources]try

// networkOf returns the /48 of a source, false if the source is a single address.
func networkOf(s source) (n source, ok bool) { return s >> 16, s>>56 != 0xff }

// note notes that a source is banned for what is proved.
func (d *Detector) note(s source, at moment) {
	if n, ok := networkOf(s); ok {
		spread(d.networks.get(n)[:]).add(uint32(s&0xffff), at)
	}
}

// hostile reports whether so many others of a source's /48 are banned that whoever owns all of it is
// likely to attack.
func (d *Detector) hostile(s source, at moment) bool {
	n, ok := networkOf(s)
	if !ok {
		return false
	}
	banned := d.networks.peek(n)
	return banned != nil && spread(banned[:]).n(at) == manySources
}
