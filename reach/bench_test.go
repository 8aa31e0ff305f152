package reach

import (
	"testing"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/steps"
)

// BenchmarkObstacles looks for rules in the way of calls, on a host with base rules on which Docker sends
// 2,000 ports on.
func BenchmarkObstacles(b *testing.B) {
	cfg := config.Default()
	cfg.Firewall.Base = true
	rules := dockerRules(b, 2000, "")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Obstacles(cfg, nil, Passed{Rules: rules, Left: steps.New(b.Context(), maxSteps)}); err != nil {
			b.Fatal(err)
		}
	}
}
