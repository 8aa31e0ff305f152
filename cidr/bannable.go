package cidr

// neverBanned is space that not even a ban by hand blocks. Either no valid packet comes
// from it, or it is this host or its own link, which address resolution and router
// discovery need. An attack can come from all other special-purpose space (private use,
// carrier-grade NAT, 6to4, Teredo, NAT64 …), so that can be banned; friends there have
// to be exempt.
var neverBanned = []Special{
	special("0.0.0.0/8", "this network", "RFC 791 §3.2"),
	special("127.0.0.0/8", "loopback", "RFC 1122 §3.2.1.3"),
	special("169.254.0.0/16", "link local", "RFC 3927"),
	special("224.0.0.0/4", "multicast", "RFC 5771"),
	special("240.0.0.0/4", "reserved", "RFC 1112 §4"),

	special("::/128", "unspecified", "RFC 4291 §2.5.2"),
	special("::1/128", "loopback", "RFC 4291 §2.5.3"),
	special("fe80::/10", "link local", "RFC 4291 §2.5.6"),
	special("ff00::/8", "multicast", "RFC 4291 §2.7"),
}

// NeverBanned is the space that not even a ban by hand blocks.
var NeverBanned = func() Sets {
	var b Builder
	for _, s := range neverBanned {
		b.Add(s.Prefix)
	}
	return b.Sets()
}()

// FindNeverBanned returns a reserved space that p overlaps, if no address of p can be
// banned.
func FindNeverBanned(p Prefix) (Special, bool) {
	if SetOf(p).Subtract(NeverBanned).Len() > 0 {
		return Special{}, false
	}
	for _, s := range neverBanned {
		if s.Prefix.Overlaps(p) {
			return s, true
		}
	}
	return Special{}, false
}
