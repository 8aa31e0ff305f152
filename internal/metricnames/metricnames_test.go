package metricnames

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestIn(t *testing.T) {
	for _, test := range []struct {
		name  string
		texts []string
		want  []string
	}{
		{"nothing", nil, nil},
		{"served", []string{
			"# HELP voipbl_bans Local bans.\n# TYPE voipbl_bans gauge\nvoipbl_bans 3\n",
			"voipbl_set_entries{set=\"voip_bl6\"} 1e+06\ngo_goroutines 9\n",
		}, []string{"voipbl_bans", "voipbl_set_entries"}},
		{"asked for", []string{"sum(rate(voipbl_b_total[5m]))/voipbl_a6>0 and on(job)voipbl_b_total"}, []string{"voipbl_a6", "voipbl_b_total"}},
		{"no whole name", []string{"voipbl_feed_* voipbl_ my_voipbl_bans voipbl-alerts.yml voip_bl voipbl"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var texts [][]byte
			for _, text := range test.texts {
				texts = append(texts, []byte(text))
			}
			if diff := cmp.Diff(test.want, In(texts...)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
