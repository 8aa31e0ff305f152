//go:build published

package blocklist

import (
	"testing"

	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testvalue"
)

// TestPublishedLists: the kernel holds exactly what a slow computation says.
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
				files = append(files, testvalue.PublishedFeed(f))
			}
			syncTwice(t, make(slowSet), test.allow, files...)
		})
	}
}
