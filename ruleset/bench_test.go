package ruleset_test

import (
	"testing"

	"github.com/voipbl/voipbl/internal/testrules"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

// BenchmarkTables renders all rules of both families.
func BenchmarkTables(b *testing.B) {
	for _, test := range []struct {
		name     string
		settings ruleset.Settings
	}{{"drop", testrules.DropOnly()}, {"everything", testrules.Everything()}} {
		b.Run(test.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if len(test.settings.Wanted()[iptables.IPv4]) == 0 {
					b.Fatal("no tables")
				}
			}
		})
	}
}
