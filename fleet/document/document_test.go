package document

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/voipbl/voipbl/config"
)

var at = time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC)

// write returns what an operator writes, as a document.
func write(t testing.TB, text string) Document {
	t.Helper()
	f, err := config.ParseFleetDocument("d", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(f, at)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const example = `
serial: 7
allow: [203.0.113.10, 198.51.100.0/24, "2001:db8::/32", home.example.net]
trunks: [sip.example.net]
trust: [acme, zeta_pbx1]
hosts: [acme_pbx1, zeta_pbx1]
revoked: [acme_pbx9]
minimum_version: 0.9.0
`

func sign(t testing.TB, d Document, k Key) []byte {
	t.Helper()
	text, err := Sign(d, k)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestVerify: what was signed is what is read.
func TestVerify(t *testing.T) {
	k, d := NewKey(), write(t, example)
	got, err := Verify(sign(t, d, k), k.Public())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d, got, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Error(diff)
	}
	if !got.At.Equal(at.Truncate(time.Second)) {
		t.Errorf("at %v", got.At)
	}
	if d := write(t, ""); d.Serial != uint64(at.Unix()) {
		t.Errorf("without a serial it is %d", d.Serial)
	}
}

// TestEveryByte: no change of any bit of a signed document is taken for the operator's word, and one that is
// still read says the same.
func TestEveryByte(t *testing.T) {
	k, d := NewKey(), write(t, "serial: 1\nallow: [203.0.113.10]\n")
	text, key := sign(t, d, k), k.Public()
	for i := range text {
		for bit := range 8 {
			other := append([]byte{}, text...)
			other[i] ^= 1 << bit
			got, err := Verify(other, key)
			if err == nil && !cmp.Equal(d, got, cmpopts.EquateComparable(netip.Prefix{})) {
				t.Errorf("byte %d, bit %d: %+v", i, bit, got)
			}
		}
	}
	for i := range text[:len(text)-1] {
		if _, err := Verify(text[:i], key); err == nil {
			t.Errorf("cut at %d", i)
		}
	}
}

// TestRefused: what nobody but the owner of the key could have made, and what hosts refuse from the owner too.
func TestRefused(t *testing.T) {
	k := NewKey()
	text := string(sign(t, write(t, example), k))
	raw := func(body string) string { return string(signRaw(t, body, purpose, k)) }
	const sound = `"format":1,"serial":7`
	for what, test := range map[string]struct {
		text, want string
		key        config.DocumentKey
	}{
		"another key":               {text, ErrSignature.Error(), NewKey().Public()},
		"no key":                    {text, ErrSignature.Error(), config.DocumentKey{}},
		"a signature for something": {string(signRaw(t, "{"+sound+"}", "", k)), ErrSignature.Error(), k.Public()},
		"nothing":                   {"", ErrForm.Error(), k.Public()},
		"no JSON":                   {"allow: []", ErrForm.Error(), k.Public()},
		"an empty object":           {"{}", ErrForm.Error(), k.Public()},
		"a list":                    {"[]", ErrForm.Error(), k.Public()},
		"more behind it":            {text + "{}", ErrForm.Error(), k.Public()},
		"too long":                  {text + strings.Repeat(" ", MaxSigned), ErrForm.Error(), k.Public()},
		"a short signature":         {`{"body":"e30=","sig":"AAAA"}`, ErrForm.Error(), k.Public()},
		"no signature":              {`{"body":"e30="}`, ErrForm.Error(), k.Public()},
		"a body that is no object":  {raw(`[]`), ErrForm.Error(), k.Public()},
		"no format":                 {raw(`{"serial":7}`), "another version of voipbl: format 0, not 1", k.Public()},
		"a later format":            {raw(`{"format":2,"serial":{"a":1}}`), "another version of voipbl: format 2, not 1", k.Public()},
		"no serial":                 {raw(`{"format":1}`), "no serial", k.Public()},
		"a serial below none":       {raw(`{"format":1,"serial":-1}`), ErrForm.Error(), k.Public()},
		"everybody":                 {raw(`{` + sound + `,"allow":["0.0.0.0/0"]}`), `allow[0]: network too wide ("0.0.0.0/0")`, k.Public()},
		"everybody in IPv6":         {raw(`{` + sound + `,"trunks":["::/0"]}`), `trunks[0]: network too wide ("::/0")`, k.Public()},
		"everybody in mapped form":  {raw(`{` + sound + `,"allow":["::ffff:0:0/96"]}`), `allow[0]: network too wide`, k.Public()},
		"everybody in parts":        {raw(`{` + sound + `,"allow":[` + eights(11, 27) + `]}`), "allow and trunks: 6.6% of all IPv4 addresses: expected at most 6.2%, as this would", k.Public()},
		"too many":                  {raw(`{` + sound + `,"allow":[` + singles(MostAllow+1) + `]}`), "allow: too many elements (1001): expected at most 1000", k.Public()},
		"too many trunks":           {raw(`{` + sound + `,"trunks":[` + singles(MostTrunks+1) + `]}`), "trunks: too many elements (201): expected at most 200", k.Public()},
		"a name with a line break":  {raw(`{` + sound + `,"allow":["a.example\n"]}`), `allow[0]: neither an address nor a host name ("a.example\n")`, k.Public()},
		"a site with a wildcard":    {raw(`{` + sound + `,"trust":["*"]}`), `trust[0]: bad name ("*")`, k.Public()},
	} {
		_, err := Verify([]byte(test.text), test.key)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, not %s", what, err, test.want)
		}
	}
	for what, text := range map[string]string{
		"a field of a newer voipbl":                raw(`{` + sound + `,"calls":[{"a":1}]}`),
		"as many as there may be":                  raw(`{` + sound + `,"allow":[` + singles(MostAllow) + `]}`),
		"as wide as it may be":                     raw(`{` + sound + `,"allow":[` + eights(11, 26) + `]}`),
		"space that is never blocked counts not":   raw(`{` + sound + `,"allow":["10.0.0.0/8","127.0.0.0/8",` + eights(11, 26) + `]}`),
		"an envelope with a field of a newer one":  strings.Replace(text, "{", `{"x":1,`, 1),
		"an envelope with spaces and a line break": "\n " + strings.Replace(text, ",", ",\n ", 1) + "\n",
	} {
		if d, err := Verify([]byte(text), k.Public()); err != nil || d.Serial != 7 {
			t.Errorf("%s: %+v, %v", what, d, err)
		}
	}
}

func eights(from, to int) string {
	var words []string
	for i := from; i <= to; i++ {
		words = append(words, fmt.Sprintf(`"%d.0.0.0/8"`, i))
	}
	return strings.Join(words, ",")
}

func singles(n int) string {
	var words []string
	for i := range n {
		words = append(words, fmt.Sprintf(`"203.0.%d.%d"`, i/200, i%200))
	}
	return strings.Join(words, ",")
}

// TestNew: the operator is told what hosts would refuse, before they do.
func TestNew(t *testing.T) {
	many := config.FleetDocument{Hosts: make([]string, 4000)}
	for i := range many.Hosts {
		many.Hosts[i] = fmt.Sprintf("site%d_a-long-name", i)
	}
	if _, err := New(many, at); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("%v", err)
	}
	// As many hosts and names as the comment on MaxSigned says.
	many.Hosts = many.Hosts[:1000]
	for i := range MostAllow {
		h, err := config.ParseHost(fmt.Sprintf("203.%d.%d.0/24", i/200, i%200))
		if err != nil {
			t.Fatal(err)
		}
		many.Allow = append(many.Allow, h)
	}
	k := NewKey()
	d, err := New(many, at)
	if err != nil {
		t.Fatal(err)
	}
	if text := sign(t, d, k); len(text) > MaxSigned {
		t.Errorf("%d bytes", len(text))
	} else if _, err := Verify(text, k.Public()); err != nil {
		t.Error(err)
	}
	var wide config.FleetDocument
	for i := range 17 {
		h, _ := config.ParseHost(fmt.Sprintf("%d.0.0.0/8", i+20))
		wide.Trunks = append(wide.Trunks, h)
	}
	if _, err := New(wide, at); err == nil || !strings.Contains(err.Error(), "switch the protection off") {
		t.Errorf("%v", err)
	}
}

func TestNewer(t *testing.T) {
	one, two := write(t, "serial: 1"), write(t, "serial: 2")
	if !two.Newer(one) || one.Newer(two) || one.Newer(one) || !one.Newer(Document{}) {
		t.Error("a document of another serial counts")
	}
}

func TestWants(t *testing.T) {
	for _, test := range []struct {
		minimum, version string
		want             bool
	}{
		{"", "0.9.0", false},
		{"0.9.0", "0.9.0", false},
		{"0.9.1", "0.9.0", true},
		{"0.9.0", "0.9.1", false},
		{"0.10.0", "0.9.9", true},
		{"0.9.9", "0.10.0", false},
		{"1.0.0", "0.99.99", true},
		{"0.9.0", "1.0.0", false},
		{"0.9.0", "0.9.0-dev", false},
		{"0.9.0", "0.8.7~git2026", true},
		{"0.9.0", "built by hand", false},
		{"0.9.0", "1.2", false},
		{"0.9.0", "0.0.0-dev", true},
		{"0.9.0", "0.8.x", false},
		{"0.9.0", "0.8.99999999999999999999", false},
	} {
		d := Document{FleetDocument: config.FleetDocument{MinimumVersion: test.minimum}}
		if got := d.Wants(test.version); got != test.want {
			t.Errorf("%s, of a host with %s: %t", test.minimum, test.version, got)
		}
	}
}

func TestChanges(t *testing.T) {
	old := write(t, "allow: [1.1.1.1, 2.2.2.2]\ntrunks: [a.example]\nhosts: [a_b]\n")
	next := write(t, "allow: [2.2.2.2, 3.3.3.0/24, 4.4.4.4]\ntrunks: [a.example]\nhosts: [a_b]\ntrust: [a]\nrevoked: [a_c]\nminimum_version: 1.0.0\n")
	var lines []string
	for _, c := range Changes(old.FleetDocument, next.FleetDocument) {
		lines = append(lines, c.String())
	}
	want := "allow: + 3.3.3.0/24, + 4.4.4.4, - 1.1.1.1\ntrust: + a\nrevoked: + a_c\nminimum_version: + 1.0.0"
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("%s\nnot\n%s", got, want)
	}
	if c := Changes(next.FleetDocument, next.FleetDocument); c != nil {
		t.Errorf("%v", c)
	}
}

func TestKey(t *testing.T) {
	k := NewKey()
	back, err := ParseKey(k.Secret() + "\n")
	if err != nil || back.Public() != k.Public() || back.Secret() != k.Secret() {
		t.Errorf("%v, %v", back.Public(), err)
	}
	secret := k.Secret()
	for _, bad := range []string{"", k.Public().String(), secret[:len(secret)-1], secret + "A", secret[len(secretPrefix):], secret + "\n" + secret} {
		if _, err := ParseKey(bad); err == nil || strings.Contains(err.Error(), secret[len(secretPrefix)+4:][:8]) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
