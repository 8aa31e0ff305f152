//go:build published

package agent

import (
	"bufio"
	"os"
	"path/filepath"
	"testing"

	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/testns"
)

// publishedFeed is a list as it was published. Such lists are not ours to carry: "make
// published" says where they are.
func publishedFeed(name string) string {
	return filepath.Join(os.Getenv("VOIPBL_PUBLISHED"), "feeds", name)
}

// TestPublishedPast holds the thresholds to lists as they were published.
func TestPublishedPast(t *testing.T) {
	read := func(name string) aList {
		f, err := os.Open(publishedFeed(name))
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
		{"and back", y2019, y2016, reasonShrank},
		{"another list", y2019, other, reasonWidened},
		{"likewise", other, y2019, reasonGrew},
	} {
		if v := judged(t, test.now, test.before); v.reason != test.want {
			t.Errorf("%s: %q (%s), want %q", test.name, v.reason, v.why, test.want)
		} else {
			t.Logf("%s: %q %s", test.name, v.reason, v.why)
		}
	}
}

// TestPublishedLists has the kernel hold what is computed one by one.
func TestPublishedLists(t *testing.T) {
	for _, test := range []struct {
		name  string
		allow []string
		files []string
	}{
		{"VoIPBL of 2019", []string{"105.15.124.17", "5.133.0.0/16"}, []string{"voipbl-2019-04-23.netset"}},
		{"VoIPBL of 2016", nil, []string{"voipbl-2016-06-13.netset"}},
		{"all of them", []string{"5.8.37.7", "31.184.0.0/16"}, []string{"voipbl-2019-04-23.netset", "voipbl-2016-06-13.netset", "firehol_level1-2020-03-18.netset"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			testns.Enter(t)
			var files []string
			for _, f := range test.files {
				files = append(files, publishedFeed(f))
			}
			syncTwice(t, make(slowSet), test.allow, files...)
		})
	}
}
