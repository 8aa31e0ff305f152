package main

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// hostileFeed is one case: a feed and its expected result. Counts, blocked and free apply where its
// body is in force; elsewhere the good list is in force.
type hostileFeed struct {
	url, path  string // the feed's state: fresh, held or stale
	reason     string // of the state that is not fresh
	heldFirst  string // why the URL's list is held back at first; then it is believed by force
	entries    int
	rejected   map[string]int
	screened   int
	blocked    []netip.Prefix
	free       []netip.Prefix
	minEntries int // of the URL feed
	body       []byte
}

// readHostile reads a case. Its comment says what is hostile about the feed.
// The section "want" has the outcome; the others are the body, one after the
// other: "body" is the text itself, "body.quoted" has a Go string a line, for
// bytes that a text file cannot hold, and "generate" is for what is large.
func readHostile(t *testing.T, file string) hostileFeed {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(archive.Comment) == 0 {
		t.Errorf("%s does not say what it is about", filepath.Base(file))
	}
	feed := hostileFeed{rejected: map[string]int{}}
	for _, f := range archive.Files {
		for line := range strings.Lines(string(f.Data)) {
			switch f.Name {
			case "want":
				err = feed.want(strings.TrimSpace(line))
			case "body":
				feed.body = append(feed.body, line...)
			case "body.quoted":
				var text string
				text, err = strconv.Unquote(strings.TrimSpace(line))
				feed.body = append(feed.body, text...)
			case "generate":
				feed.body, err = generated(feed.body, strings.TrimSpace(line))
			default:
				err = fmt.Errorf("unknown section")
			}
			if err != nil {
				t.Fatalf("%s: %s: %q: %v", filepath.Base(file), f.Name, line, err)
			}
		}
	}
	return feed
}

func (f *hostileFeed) want(line string) (err error) {
	key, value, _ := strings.Cut(line, ": ")
	switch key {
	case "url":
		f.url = value
	case "path":
		f.path = value
	case "reason":
		f.reason = value
	case "held first":
		f.heldFirst = value
	case "entries":
		f.entries, err = strconv.Atoi(value)
	case "screened":
		f.screened, err = strconv.Atoi(value)
	case "min_entries":
		f.minEntries, err = strconv.Atoi(value)
	case "blocked":
		f.blocked = prefixes(value)
	case "free":
		f.free = prefixes(value)
	case "rejected":
		for _, word := range strings.Fields(value) {
			why, n, _ := strings.Cut(word, "=")
			if f.rejected[why], err = strconv.Atoi(n); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("unknown key")
	}
	return err
}

// generated appends what a directive stands for; TEXT may be a Go string:
//
//	repeat N TEXT        N lines of TEXT
//	line N TEXT          one line of N times TEXT
//	split PREFIX LENGTH  all prefixes of this length in PREFIX
func generated(body []byte, directive string) ([]byte, error) {
	words := strings.SplitN(directive, " ", 3)
	if len(words) != 3 {
		return nil, fmt.Errorf("a directive has three words")
	}
	verb, a, b := words[0], words[1], words[2]
	if text, err := strconv.Unquote(b); err == nil {
		b = text
	}
	switch verb {
	case "repeat":
		n, err := strconv.Atoi(a)
		return append(body, strings.Repeat(b+"\n", n)...), err
	case "line":
		n, err := strconv.Atoi(a)
		return append(body, strings.Repeat(b, n)+"\n"...), err
	case "split":
		bits, err := strconv.Atoi(b)
		if err != nil {
			return nil, err
		}
		whole := netip.MustParsePrefix(a)
		for at := whole.Addr(); whole.Contains(at); {
			p := netip.PrefixFrom(at, bits)
			body = append(p.AppendTo(body), '\n')
			at = lastOf(p).Next()
		}
		return body, nil
	}
	return nil, fmt.Errorf("unknown directive")
}

// addrRange is a range of addresses of one family. Functions return lists of ranges sorted, without
// ranges that touch.
type addrRange struct{ first, last netip.Addr }

func (r addrRange) String() string { return r.first.String() + "-" + r.last.String() }

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}

func rangesOf(list []netip.Prefix) []addrRange {
	var found []addrRange
	for _, p := range list {
		found = append(found, addrRange{p.Masked().Addr(), lastOf(p)})
	}
	return merge(found)
}

func merge(list []addrRange) (merged []addrRange) {
	slices.SortFunc(list, func(a, b addrRange) int { return a.first.Compare(b.first) })
	for _, r := range list {
		if n := len(merged) - 1; n >= 0 && (r.first.Compare(merged[n].last) <= 0 || r.first.Prev() == merged[n].last) {
			if merged[n].last.Less(r.last) {
				merged[n].last = r.last
			}
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// subtract returns what is left of a list without the holes.
func subtract(list, holes []addrRange) (left []addrRange) {
	for _, r := range list {
		for _, h := range holes {
			if h.last.Less(r.first) || r.last.Less(h.first) || !r.first.IsValid() {
				continue
			}
			if r.first.Less(h.first) {
				left = append(left, addrRange{r.first, h.first.Prev()})
			}
			if r.first = (netip.Addr{}); h.last.Less(r.last) {
				r.first = h.last.Next()
			}
		}
		if r.first.IsValid() {
			left = append(left, r)
		}
	}
	return left
}

// longestLine is the longest line that is read.
const longestLine = 4096

// listed is what a feed says, line by line, before anything is taken out. It
// reads as people do, with a pattern for each form that the manual promises.
func listed(body []byte) []addrRange {
	var found []addrRange
	known := map[string]bool{}
	for i, line := range strings.Split(string(body), "\n") {
		if i == 0 {
			line = strings.TrimPrefix(line, "\ufeff")
		}
		if len(line) > longestLine || known[line] {
			continue
		}
		known[line] = true
		if r, ok := lineRange(strings.Trim(line, " \t\r")); ok && !tooWide(r) {
			found = append(found, r)
		}
	}
	return merge(found)
}

var (
	savedLine  = regexp.MustCompile(`^add +\S+ +([^\s,]+)(?: (.*))?$`)
	savedMore  = regexp.MustCompile(`^[0-9.]+$`)
	savedNo    = regexp.MustCompile(`^(?:timeout \d+ |packets \d+ |bytes \d+ )*nomatch\b`)
	spacedLine = regexp.MustCompile(`^([0-9A-Fa-f:./]+)[ \t]+-[ \t]+([0-9A-Fa-f:]\S*[.:][^\s,;#]*)`)
	// two columns: a range, or an address and its mask or length
	pairLine  = regexp.MustCompile(`^"?([0-9A-Fa-f:.]+)"?(?:[ \t]*,[ \t]*|[ \t]+)"?([0-9A-Fa-f:]+[.:][0-9A-Fa-f:.]*|/[0-9.]+)"?(?:$|[ \t,]+(.*)$)`)
	addrWord  = regexp.MustCompile(`(?:^|[ ,"(])[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+(?:$|[ ,")])`)
	firstWord = regexp.MustCompile(`^(?:"[ \t]*([^"]*?)[ \t]*"|([^ \t,;#"]+?))(?:$|[ \t,;#]|//)`)
)

func lineRange(line string) (addrRange, bool) {
	if m := savedLine.FindStringSubmatch(line); m != nil && !savedNo.MatchString(m[2]) && !savedMore.MatchString(m[2]) {
		return wordRange(m[1])
	} else if m != nil || strings.HasPrefix(line, "//") {
		return addrRange{}, false
	}
	if m := spacedLine.FindStringSubmatch(line); m != nil {
		return wordRange(m[1] + "-" + m[2])
	}
	if strings.HasSuffix(line, ",") && strings.Contains(line, ", ") {
		return addrRange{}, false // a list goes on
	}
	if m := pairLine.FindStringSubmatch(line); m != nil {
		return pairRange(m[1], m[2], m[3])
	}
	if m := firstWord.FindStringSubmatch(line); m != nil {
		if addrWord.MatchString(line[len(m[0])-1:]) && !strings.ContainsAny(line[:len(m[0])], "#;") {
			return addrRange{}, false // of which only the first would count
		}
		return wordRange(m[1] + m[2])
	}
	return addrRange{}, false
}

// pairRange reads two columns and what follows them.
func pairRange(first, second, text string) (addrRange, bool) {
	if strings.HasPrefix(second, "/") || strings.HasPrefix(second, "255.") || strings.HasPrefix(second, "ffff:") {
		return wordRange(first + "/" + strings.TrimPrefix(second, "/"))
	}
	r, ok := wordRange(first + "-" + second)
	if text = strings.TrimSpace(text); text == "}" {
		return addrRange{}, false // the end of a list
	}
	if length, _, _ := strings.Cut(strings.TrimPrefix(text, "/"), " "); ok && regexp.MustCompile(`^[0-9]{1,2}$`).MatchString(length) {
		p, exact := wordRange(first + "/" + length)
		return r, exact && p == r
	}
	return r, ok && !addrWord.MatchString(text)
}

// wordRange reads an address, a prefix or first-last.
func wordRange(word string) (addrRange, bool) {
	if a, err := netip.ParseAddr(word); err == nil {
		return addrRange{a.Unmap(), a.Unmap()}, a.Zone() == ""
	}
	if p, err := netip.ParsePrefix(word); err == nil {
		if a := p.Addr(); a.Is4In6() {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96) // invalid if it is wider
		}
		if !p.IsValid() {
			return addrRange{}, false
		}
		return addrRange{p.Masked().Addr(), lastOf(p)}, true
	}
	if a, mask, ok := strings.Cut(word, "/"); ok && net.ParseIP(mask) != nil {
		ones, bits := net.IPMask(net.ParseIP(mask).To4()).Size()
		if bits == 0 {
			return addrRange{}, false
		}
		return wordRange(fmt.Sprintf("%s/%d", a, ones))
	}
	from, to, _ := strings.Cut(word, "-")
	first, err := netip.ParseAddr(from)
	last, err2 := netip.ParseAddr(to)
	if err != nil || err2 != nil || first.Is4In6() != last.Is4In6() || first.BitLen() != last.BitLen() || last.Less(first) {
		return addrRange{}, false
	}
	return addrRange{first.Unmap(), last.Unmap()}, true
}

// tooWide reports whether a prefix wider than /8 (IPv6: /19) is in the range.
func tooWide(r addrRange) bool {
	limit := 8
	if r.first.Is6() {
		limit = 19
	}
	block, _ := r.first.Prefix(limit - 1)
	if block.Addr() != r.first {
		block = netip.PrefixFrom(lastOf(block).Next(), limit-1)
	}
	return block.IsValid() && !r.last.Less(lastOf(block))
}
