package cidr

import (
	"errors"
	"strings"
	"testing"
)

// TestRead counts the lines of a feed that has some of every kind.
func TestRead(t *testing.T) {
	text := `# TOTAL NETBLOCK: 9
8.8.8.8/32
10.1.2.3/32
10.0.0.0-10.0.0.255
192.0.0.0/8
1.0.0.0/7
2001:db8::1
2a00::/16
2a00:1::/32
nonsense
`
	var b Builder
	tally, err := Read(strings.NewReader(text), Policy{Widest: [2]uint8{8, 19}}, &b)
	if err != nil {
		t.Fatal(err)
	}
	if tally.Lines != 9 || tally.Entries != 6 || tally.Entries6 != 2 || tally.Declared != 9 {
		t.Errorf("counts %+v", tally)
	}
	if tally.Screened != 3 || tally.Carved != 1 {
		t.Errorf("screened %d, carved %d", tally.Screened, tally.Carved)
	}
	if tally.Rejects[TooWide] != 2 || tally.Rejects[NotAddress] != 1 || tally.Malformed() != 1 || tally.Rejected() != 3 {
		t.Errorf("rejects %v", tally.Rejects)
	}
	if s := tally.Samples; len(s) != 3 || s[0] != (Reject{6, "1.0.0.0/7", TooWide}) || s[2] != (Reject{10, "nonsense", NotAddress}) {
		t.Errorf("samples %v", s)
	}
	rows := map[string]int{"10.0.0.0/8": 2, "192.0.0.0/24": 1, "2001:db8::/32": 1}
	for i, s := range specials {
		if tally.Specials[i] != rows[s.Prefix.String()] {
			t.Errorf("%s: %d entries", s.Prefix, tally.Specials[i])
		}
	}
	sets := b.Sets()
	if got := strings.Join(texts(sets[IPv4]), " "); got != "8.8.8.8 192.0.0.0/8" {
		t.Errorf("IPv4 %s", got)
	}
	if got := strings.Join(texts(sets[IPv6]), " "); got != "2a00:1::/32" {
		t.Errorf("IPv6 %s", got)
	}
}

func TestReadBoundsPrefixes(t *testing.T) {
	policy := Policy{MaxPrefixes: 100}
	var b Builder
	if _, err := Read(strings.NewReader(strings.Repeat("1.1.1.1\n", 100)), policy, &b); err != nil {
		t.Errorf("100 prefixes: %v", err)
	}
	text := "1.1.1.1\n2001:db9::1-2001:db9:ffff:ffff:ffff:ffff:ffff:fffe\n"
	if _, err := Read(strings.NewReader(text), policy, &b); !errors.Is(err, ErrTooMany) || !strings.Contains(err.Error(), "more than 100 by line 2") {
		t.Errorf("a range of many prefixes: %v", err)
	}
}

func TestTallyMerge(t *testing.T) {
	read := func(text string) Tally {
		var b Builder
		tally, err := Read(strings.NewReader(text), Policy{}, &b)
		if err != nil {
			t.Fatal(err)
		}
		return tally
	}
	sum := Tally{Declared: NoTotal}
	sum.Merge(read("1.1.1.1\nx\n" + strings.Repeat("y\n", maxSamples)))
	sum.Merge(read("# TOTAL NETBLOCK: 1\n10.0.0.1\nz\n"))
	if sum.Lines != 4+maxSamples || sum.Entries != 2 || sum.Screened != 1 || sum.Declared != 1 || sum.Rejects[NotAddress] != maxSamples+2 {
		t.Errorf("merged %+v", sum)
	}
	if len(sum.Samples) != maxSamples {
		t.Errorf("%d samples", len(sum.Samples))
	}
}

// TestSpecialSpace looks up addresses that must and must not be in the table.
func TestSpecialSpace(t *testing.T) {
	inside := "0.0.0.1 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 169.254.1.1 172.16.0.1 172.31.255.255 192.0.0.1 192.0.2.1 192.88.99.1 192.168.0.1 " +
		"198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 " +
		":: ::1 64:ff9b::1 100::1 1fff::1 2001::1 2001:1ff::1 2001:db8::1 2002::1 3fff::1 3fff:fff::1 4000::1 fc00::1 fe80::1 ff02::1 8000::1"
	outside := "1.0.0.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.1.1.1 128.0.0.1 172.15.255.255 172.32.0.0 192.0.1.1 192.0.3.1 192.167.0.1 192.169.0.1 " +
		"198.17.255.255 198.20.0.0 223.255.255.255 2000::1 2001:200::1 2001:db9::1 2003::1 2a00::1 3ffe::1 3fff:1000::1"
	for s := range strings.FieldsSeq(inside) {
		p := MustParsePrefix(s)
		if _, ok := FindSpecial(p); !ok || !SpecialSpace.Contains(p) {
			t.Errorf("%s is not special", s)
		}
	}
	for s := range strings.FieldsSeq(outside) {
		p := MustParsePrefix(s)
		if row, ok := FindSpecial(p); ok || SpecialSpace.Overlaps(p) {
			t.Errorf("%s is special: %v", s, row)
		}
	}
	for _, s := range specials {
		if s.Name == "" || !strings.HasPrefix(s.Source, "RFC ") {
			t.Errorf("%s has no source: %v", s.Prefix, s)
		}
	}
}

func TestReasonsHaveKeysAndTexts(t *testing.T) {
	seen := make(map[string]bool)
	for r := range Reasons {
		if r.Key() == "" || r.String() == "" || seen[r.Key()] {
			t.Errorf("reason %d: key %q, text %q", r, r.Key(), r)
		}
		seen[r.Key()] = true
	}
}

// TestReadScreens counts entries in the first and the last row of the table.
func TestReadScreens(t *testing.T) {
	var b Builder
	tally, err := Read(strings.NewReader("255.255.255.255\n255.0.0.0/24\n240.0.0.0/8\n0.0.0.0\nff00::1\nffff::/32\n::\n8.8.8.8\n"), Policy{}, &b)
	if err != nil || tally.Entries != 8 || tally.Screened != 7 || tally.Carved != 0 {
		t.Errorf("%+v, %v", tally, err)
	}
}
