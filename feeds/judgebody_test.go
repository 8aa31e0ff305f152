package feeds

import (
	"fmt"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
)

func TestJudge(t *testing.T) {
	ten := strings.Repeat("x\n", 10)
	for _, test := range []struct {
		name, text string
		want       fetch.Reason
		why        string // if it covers too much
	}{
		{"good", "# TOTAL NETBLOCK: 2\n8.8.8.8/32\n8.8.4.4/32\n", "", ""},
		{"good without a header", "8.8.8.8\n8.8.4.4\n", "", ""},
		{"a tenth is noise", eights(90) + ten, "", ""},
		{"more than a tenth is noise", eights(89) + ten, ReasonNotAList, ""},
		{"HTML", "<html>\n<body>Error</body>\n</html>\n", ReasonNotAList, ""},
		{"shorter than it says", "# TOTAL NETBLOCK: 3\n8.8.8.8/32\n8.8.4.4/32\n", reasonTruncated, ""},
		{"longer than it says", "# TOTAL NETBLOCK: 1\n8.8.8.8/32\n8.8.4.4/32\n", reasonTruncated, ""},
		{"says nothing that can be true", "# TOTAL NETBLOCK: -2\n8.8.8.8/32\n8.8.4.4/32\n", reasonTruncated, ""},
		{"says two numbers", "# TOTAL NETBLOCK: 9\n8.8.8.8/32\n8.8.4.4/32\n# TOTAL NETBLOCK: 2\n", reasonTruncated, ""},
		{"empty", "", reasonTooFew, ""},
		{"only a header", "# TOTAL NETBLOCK: 0\n", reasonTooFew, ""},
		{"one entry", "8.8.8.8\n", reasonTooFew, ""},
		{"bogons block nothing", "10.0.0.1\n10.0.0.2\n8.8.8.8\n", reasonTooFew, ""},
		{"one address many times", "8.8.8.8\n8.8.8.8\n8.8.8.8\n", reasonTooFew, ""},
		{"IPv6 covers what is allowed", "2400::/19\n2400:2000::/19\n2600::/19\n", "", ""},
		{"IPv6 covers more", strings.Join(nineteens(513), "\n"), reasonTooMuch, "it covers 0.78% of IPv6 space, and max_coverage is 0.78%"},
		{"bogons beside IPv6 block nothing", "2a00::/32\n10.0.0.1\n10.0.0.2\n", reasonTooFew, ""},
		{"too wide entries do not", "8.8.8.8\n0.0.0.0/0\n", reasonTooFew, ""},
		{"too wide entries are no noise", strings.ReplaceAll(eights(10), "\n", "\n0.0.0.0/0\n"), "", ""},
		{"covers what is allowed", "11.0.0.0/8\n12.0.0.0/8\n", "", ""},
		{"covers more", "11.0.0.0/8\n12.0.0.0/8\n13.1.1.1\n", reasonTooMuch, "it covers 0.78% of IPv4 space, and max_coverage is 0.78%"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b cidr.Builder
			tally, err := cidr.Read(strings.NewReader(test.text), cidr.Policy{Widest: [2]uint8{8, 19}}, &b)
			if err != nil {
				t.Fatal(err)
			}
			got := judge(config.Feed{MinEntries: 2, MaxCoverage: 2.0 / 256}, tally, b.Sets())
			if got.reason != test.want {
				t.Errorf("got %q (%s), want %q", got.reason, got.why, test.want)
			}
			if got.reason == reasonTooMuch && !strings.Contains(got.why, test.why) {
				t.Errorf("it says %q", got.why)
			}
			if (got.why == "") != (got.reason == "") || got.reason != "" && remedyFor(got.reason) == "" {
				t.Errorf("%q has no words", got.reason)
			}
		})
	}
}

// eights are n lines of different addresses.
func eights(n int) string {
	var s strings.Builder
	for i := range n {
		fmt.Fprintf(&s, "8.8.8.%d\n", 2*i)
	}
	return s.String()
}

// nineteens are n different /19 of 2000::/3, of which there are 65536.
func nineteens(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("%x:%x::/19", 0x2400+i/8, i%8<<13))
	}
	return out
}
