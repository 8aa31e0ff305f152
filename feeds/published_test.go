//go:build published

package feeds

import (
	"bufio"
	"os"
	"testing"

	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/testvalue"
)

// TestPublishedPast tries the thresholds on lists as they were published.
func TestPublishedPast(t *testing.T) {
	read := func(name string) aList {
		f, err := os.Open(testvalue.PublishedFeed(name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var lines []string
		for in := bufio.NewScanner(f); in.Scan(); {
			lines = append(lines, in.Text())
		}
		return listOf(t, lines...)
	}
	y2016, y2019, other := read("voipbl-2016-06-13.netset"), read("voipbl-2019-04-23.netset"), read("firehol_level1-2020-03-18.netset")
	for _, test := range []struct {
		name        string
		before, now aList
		want        fetch.Reason
	}{
		{"three years at once", y2016, y2019, ""},
		{"and back", y2019, y2016, ReasonShrank},
		{"another list", y2019, other, ReasonWidened},
		{"likewise", other, y2019, ReasonGrew},
	} {
		if v := judged(t, test.now, test.before); v.reason != test.want {
			t.Errorf("%s: %q (%s), want %q", test.name, v.reason, v.why, test.want)
		} else {
			t.Logf("%s: %q %s", test.name, v.reason, v.why)
		}
	}
}
