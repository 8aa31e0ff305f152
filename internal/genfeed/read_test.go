package genfeed

import (
	"net/netip"
	"strings"
)

// read counts a list in a slow and simple way, with net/netip and without the generator's
// code.
func read(list string) Truth {
	var t Truth
	seen := map[string]bool{}
	list = strings.TrimPrefix(list, "\ufeff")
	for line := range strings.Lines(list) {
		t.Physical++
		first, prefix, last, ok := parse(line)
		switch {
		case strings.TrimSpace(line) == "":
			t.Blanks++
			continue
		case first == "":
			t.Comments++
			continue
		}
		t.Lines++
		if !ok {
			t.Rejects++
			continue
		}
		t.Entries++
		if prefix.Addr().Is4() {
			t.IPv4++
		} else {
			t.IPv6++
		}
		key := prefix.Masked().String() + last
		if seen[key] {
			t.Duplicates++
		}
		seen[key] = true
		switch {
		case prefix.Addr().Is4() && prefix.Bits() < 8, prefix.Addr().Is6() && prefix.Bits() < 19:
			t.Wide++
		case isBogon(prefix):
			t.Bogons++
		}
	}
	return t
}

// parse finds the first column of a line, "" in a comment, and reads it. A range gives its first
// address as the prefix.
func parse(line string) (first string, prefix netip.Prefix, last string, ok bool) {
	text := strings.TrimRight(line, "\r\n")
	for _, mark := range []string{"#", ";", "//"} {
		text, _, _ = strings.Cut(text, mark)
	}
	columns := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' })
	if len(columns) > 2 && columns[0] == "add" {
		columns = columns[2:]
	}
	if len(columns) == 0 {
		return "", prefix, "", false
	}
	first, last, isRange := strings.Cut(columns[0], "-")
	if !strings.Contains(first, "/") {
		a, err := netip.ParseAddr(first)
		if b, bad := netip.ParseAddr(last); isRange && (bad != nil || b.Less(a)) || err != nil {
			return columns[0], prefix, "", false
		}
		a = a.Unmap()
		return columns[0], netip.PrefixFrom(a, a.BitLen()), last, true
	}
	p, err := netip.ParsePrefix(columns[0])
	if err != nil {
		return columns[0], prefix, "", false
	}
	if p.Addr().Is4In6() {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return columns[0], p, "", true
}

func isBogon(p netip.Prefix) bool {
	space := strings.Fields(`0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12
		192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24
		203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
		2001::/23 2001:db8::/32 2002::/16 3fff::/20`)
	if p.Addr().Is6() && !p.Overlaps(netip.MustParsePrefix("2000::/3")) {
		return true
	}
	for _, s := range space {
		if p.Overlaps(netip.MustParsePrefix(s)) {
			return true
		}
	}
	return false
}
