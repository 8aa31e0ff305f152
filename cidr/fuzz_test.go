package cidr

import (
	"bytes"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// FuzzEntry compares the reader of one word with netip: both accept the same words, and
// the entry covers exactly what was written.
func FuzzEntry(f *testing.F) {
	for _, s := range []string{
		"1.2.3.4", "1.2.3.4/24", "1.2.3.4-1.2.3.9", "0.0.0.0/0", "255.255.255.255/32", "01.2.3.4", "1.2.3", "1.2.3.4/33", "1.2.3.4/08",
		"::", "::1/64", "2001:db8::1-2001:db8::ff", "::ffff:1.2.3.4", "::ffff:1.2.3.4/100", "::ffff:0:0/95", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:1.2.3.4", "fe80::1%eth0",
		"::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "0.0.0.1-255.255.255.254", "1.2.3.4-::1", "::ffff:1.2.3.4-1.2.3.5", "1:2:3:4:5:6:7::",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, why := parseRange([]byte(s))
		want, ok := slowEntry(s)
		if ok != (why == Accepted) {
			t.Fatalf("%q: %v, and netip says %v", s, why, ok)
		}
		if !ok {
			return
		}
		ps := got.appendPrefixes(nil)
		ranges := rangesOf(ps)
		if len(ranges) != 1 || ranges[0][0].Cmp(number(want.first)) != 0 || ranges[0][1].Cmp(number(want.last)) != 0 {
			t.Fatalf("%q is %v, want %v", s, ps, want)
		}
		if ps[0].Family() != familyOf(want.first) {
			t.Fatalf("%q is %s", s, ps[0].Family())
		}
		if p, ok := parsePlain4([]byte(s)); ok && (len(ps) != 1 || p != ps[0]) {
			t.Fatalf("%q is plainly %s, and %v", s, p, ps)
		}
		set := SetOf(ps...)[ps[0].Family()]
		if set.Len() != len(ps) {
			t.Fatalf("%q is %v, which is not minimal", s, ps)
		}
		if p := ps[0]; len(ps) == 1 && MustParsePrefix(p.String()) != p {
			t.Fatalf("%s does not read back", p)
		}
	})
}

// FuzzRead checks whole feeds: every line is counted once, nothing wider than allowed
// gets in, nothing gets in that no line names, and the fast reader of plain lines
// agrees with the general one.
func FuzzRead(f *testing.F) {
	f.Add([]byte("# TOTAL NETBLOCK: 2\n1.2.3.4/32\n10.0.0.1/32\n"))
	f.Add([]byte("\xef\xbb\xbf1.2.3.4\r\n1.2.3.4 - 1.2.3.9\nadd x 2001:db8::1 nomatch\n\"1.2.3.4\",x\n1.0.0.0/7\n"))
	for _, form := range lineForms {
		f.Add([]byte(form.text))
	}
	f.Add([]byte("<html>\n176.221.42.3254.174.140.223\n137.184.10/32\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		policy := Policy{Widest: [2]uint8{8, 19}}
		var b Builder
		tally, err := Read(bytes.NewReader(text), policy, &b)
		if err != nil {
			t.Fatal(err)
		}
		rejects := 0
		for r := range Reasons {
			rejects += tally.Rejects[r]
		}
		if rejects != tally.Rejected() || tally.Entries+rejects != tally.Lines || tally.Screened+tally.Carved > tally.Entries {
			t.Fatalf("counts do not add up: %+v", tally)
		}
		if n := bytes.Count(text, []byte{'\n'}) + 1; tally.Lines > n {
			t.Fatalf("%d lines counted in %d", tally.Lines, n)
		}
		words := wordsOf(text)
		sets := b.Sets()
		for _, fam := range Families {
			mustBeMinimal(t, sets[fam])
			if !equalRanges(rangesOf(sets[fam].ps), rangesOf(SetOf(allowed(words, policy)[fam]...)[fam].ps)) {
				t.Fatalf("%q gave %v", text, texts(sets[fam]))
			}
		}
		sets = sets.Subtract(SpecialSpace)
		for _, s := range specials {
			if sets.Overlaps(s.Prefix) {
				t.Fatalf("%q lets %s through", text, s.Prefix)
			}
		}
	})
}

// wordsOf finds the entries of a feed with the tools of package strings.
func wordsOf(text []byte) []slowRange {
	var found []slowRange
	for i, line := range strings.Split(string(text), "\n") {
		if len(line) > maxLine {
			continue
		}
		if i == 0 {
			line = strings.TrimPrefix(line, "\xef\xbb\xbf")
		}
		line = strings.Trim(line, blank)
		if strings.Contains(line, "\r") {
			continue
		}
		if r, ok := slowLine(line); ok {
			found = append(found, r)
		}
	}
	return found
}

// blank are the characters allowed around a line or a word.
const blank = " \t\r\v\f"

func slowLine(line string) (slowRange, bool) {
	space := func(r rune) bool { return strings.ContainsRune(" \t", r) }
	if rest, ok := strings.CutPrefix(line, "add "); ok {
		fields := strings.FieldsFunc(rest, space)
		if len(fields) < 2 || strings.Contains(fields[1], ",") {
			return slowRange{}, false
		}
		entry, ok := slowEntry(fields[1])
		for _, option := range fields[2:] {
			if option == "comment" {
				break
			}
			if option == "nomatch" || ok && (slowLacks(entry, option) || slowOtherLength(entry, option)) {
				return slowRange{}, false
			}
		}
		return entry, ok
	}
	if line == "" || strings.HasPrefix(line, "create ") {
		return slowRange{}, false
	}
	return slowColumns(slowWord(line))
}

var (
	slowComment = regexp.MustCompile(`(?s)[#;].*|//.*`)
	slowHash    = regexp.MustCompile(`(?s)#.*|//.*`)
	slowLength1 = regexp.MustCompile(`^/([0-9]+)$`)
	slowBetween = regexp.MustCompile(`(?s)^[ \t\r\v\f]*([,;-]?)[ \t\r\v\f]*(.*)$`)
	slowSlash   = regexp.MustCompile(`^/[0-9]`)
	slowText    = regexp.MustCompile("[ \t\n\r\v\f,;\"'()\\[\\]{}<>|=]+")
	dottedQuad  = regexp.MustCompile(`^[0-9.]*[.][0-9.]*[.][0-9.]*[.][0-9.]*$`)
	colons      = regexp.MustCompile(`^[0-9a-fA-F:.]*(::|(:[0-9a-fA-F.]*){7})[0-9a-fA-F:.]*$`)
	hexText     = regexp.MustCompile(`^[0-9a-fA-F:.]*[.:][0-9a-fA-F:.]*$`)
)

// slowColumns reads a line by its columns.
func slowColumns(word, rest string) (entry slowRange, ok bool) {
	entry, ok = slowEntry(word)
	comment := slowComment
	if after, ok := strings.CutPrefix(strings.Trim(rest, blank), ";"); ok && slowBeginsColumn(strings.Trim(after, blank)) {
		comment = slowHash
	}
	rest = strings.Trim(comment.ReplaceAllString(rest, ""), blank)
	if !ok || rest == "" {
		return entry, ok
	}
	m := slowBetween.FindStringSubmatch(rest)
	hyphen, text := m[1] == "-", m[2]
	second, behind := slowColumn(text)
	looks := hexText.MatchString(second)
	fits := true
	switch _, err := netip.ParseAddr(word); {
	case err != nil && hyphen && looks:
		return entry, false
	case err != nil:
		text, fits = slowLength(entry, text, false)
	case !hyphen && slowMeansLength(entry, second, behind):
		if second == "/" {
			second, behind = slowColumn(strings.Trim(behind, blank))
		}
		entry, fits = slowEntry(entry.first.String() + "/" + strings.TrimPrefix(second, "/"))
		text = behind
	case hyphen && looks, !hyphen && second != "::" && (dottedQuad.MatchString(second) || colons.MatchString(second)):
		end := strings.Trim(behind, blank)
		if !hyphen && (end == "," || end == ";" || strings.HasPrefix(end, "}") || strings.HasPrefix(end, "]")) {
			return entry, false
		}
		if entry, fits = slowEntry(word + "-" + second); fits {
			text, fits = slowLength(entry, slowBetween.FindStringSubmatch(behind)[2], !hyphen)
		}
	}
	for _, w := range slowText.Split(text, -1) {
		if w = strings.Trim(w, "-."); fits && (slowLacks(entry, w) || slowOtherLength(entry, w)) {
			return entry, false
		}
	}
	return entry, fits
}

// slowBeginsColumn reports whether text begins a second column rather than a comment.
func slowBeginsColumn(text string) bool {
	column, behind := slowColumn(text)
	if column == "/" {
		next, _ := slowColumn(strings.Trim(behind, blank))
		column += next
	}
	_, ok := slowEntry(column)
	return column != "::" && (ok || slowSlash.MatchString(column) || dottedQuad.MatchString(column) || colons.MatchString(column))
}

// slowOtherLength reports whether a word is a length that is not the entry's.
func slowOtherLength(entry slowRange, word string) bool {
	m := slowLength1.FindStringSubmatch(word)
	if m == nil {
		return false
	}
	other, ok := slowEntry(entry.first.String() + word)
	return ok && other != entry
}

// slowColumn is slowWord for a text that may be empty.
func slowColumn(text string) (word, rest string) {
	if text == "" {
		return "", ""
	}
	return slowWord(text)
}

// slowMeansLength reports whether a column is written as a prefix length or as
// a mask of the entry.
func slowMeansLength(entry slowRange, column, behind string) bool {
	if column == "/" {
		next, _ := slowColumn(strings.Trim(behind, blank))
		column += next
	}
	if slowSlash.MatchString(column) {
		return true
	}
	mask, err := netip.ParseAddr(column)
	top := entry.first.AsSlice()[0]
	return err == nil && mask.Zone() == "" && mask.BitLen() == entry.first.BitLen() && mask.AsSlice()[0] == 255 && top > 0 && top < 224
}

// slowLength compares a length or mask with the entry, and returns what follows.
func slowLength(entry slowRange, text string, bare bool) (string, bool) {
	column, behind := slowColumn(text)
	n, err := strconv.Atoi(column)
	bare = bare && err == nil && n <= entry.first.BitLen() && strconv.Itoa(n) == column
	if !bare && !slowMeansLength(entry, column, behind) {
		return text, true
	}
	if column == "/" {
		column, behind = slowColumn(strings.Trim(behind, blank))
	}
	got, ok := slowEntry(entry.first.String() + "/" + strings.TrimPrefix(column, "/"))
	return behind, ok && got == entry
}

func slowLacks(entry slowRange, word string) bool {
	got, ok := slowEntry(word)
	if !ok || word == "::" {
		return false
	}
	return got.first.BitLen() != entry.first.BitLen() || got.first.Less(entry.first) || entry.last.Less(got.last)
}

// slowWord cuts off the first column.
func slowWord(line string) (word, rest string) {
	if strings.HasPrefix(line, `"`) {
		parts := strings.SplitN(line, `"`, 3)
		if len(parts) == 3 && (parts[2] == "" || strings.ContainsAny(parts[2][:1], " \t,#;") || strings.HasPrefix(parts[2], "//")) {
			return strings.Trim(parts[1], blank), parts[2]
		}
		return line, ""
	}
	end := strings.IndexAny(line, " \t,#;")
	if end < 0 {
		end = len(line)
	}
	if i := strings.Index(line, "//"); i >= 0 && i < end {
		end = i
	}
	return line[:end], line[end:]
}

// allowed are the prefixes of ranges that hold nothing wider than the policy
// allows and do not lie wholly in special-purpose space.
func allowed(ranges []slowRange, policy Policy) [2][]Prefix {
	var out [2][]Prefix
	for _, r := range ranges {
		fam := familyOf(r.first)
		s := span{first: addrBits(r.first), last: addrBits(r.last), bits: notPrefix, fam: fam}
		ps := s.appendPrefixes(nil)
		if policy.TooWide(ps) || len(subtractRanges(rangesOf(ps), rangesOf(SpecialSpace[fam].ps))) == 0 {
			continue
		}
		out[fam] = append(out[fam], ps...)
	}
	return out
}

// FuzzSets makes prefixes out of bytes and compares aggregation and subtraction with a
// bitmap of the 256 addresses in the last octet.
func FuzzSets(f *testing.F) {
	f.Add([]byte{0, 0, 255, 8}, []byte{1, 0})
	f.Add([]byte{0, 1, 128, 1}, []byte{64, 3, 200, 0})
	f.Fuzz(func(t *testing.T, in, holes []byte) {
		const longest = 64 // more prefixes in 256 addresses cover no new case
		in, holes = in[:min(len(in), longest)], holes[:min(len(holes), longest)]
		for _, fam := range Families {
			ps, hs := lastOctet(fam, in), lastOctet(fam, holes)
			set, hole := SetOf(ps...)[fam], SetOf(hs...)[fam]
			left := set.Subtract(hole)
			mustBeMinimal(t, set)
			mustBeMinimal(t, left)
			a, b := bitmap(ps), bitmap(hs)
			for i := range 256 {
				p := lastOctet(fam, []byte{byte(i), 0})[0]
				if set.Contains(p) != a[i] || left.Contains(p) != (a[i] && !b[i]) {
					t.Fatalf("%s in %v without %v: %v, %v", p, ps, hs, set.Contains(p), left.Contains(p))
				}
			}
			if bitmap(left.ps) != minus(a, b) {
				t.Fatalf("%v without %v is %v", ps, hs, left)
			}
		}
	})
}

// lastOctet makes a prefix of each two bytes: a last octet and up to 8 host bits.
func lastOctet(f Family, b []byte) []Prefix {
	var ps []Prefix
	for ; len(b) >= 2; b = b[2:] {
		a := u128{hi: 0x20010d00<<32 | uint64(b[0])<<32}
		if f == IPv6 {
			a = u128{hi: 0x20010db8 << 32, lo: uint64(b[0])}
		}
		ps = append(ps, newPrefix(f, a.and(mask(f.Bits())), f.Bits()-b[1]%9))
	}
	return ps
}

func bitmap(ps []Prefix) (m [256]bool) {
	for _, p := range ps {
		last := p.AppendBytes(nil)
		first := int(last[len(last)-1])
		for i := range 1 << (p.fam.Bits() - p.bits) {
			m[first+i] = true
		}
	}
	return m
}

func minus(a, b [256]bool) [256]bool {
	for i := range a {
		a[i] = a[i] && !b[i]
	}
	return a
}
