package ruleset_test

import (
	"testing"

	"github.com/voipbl/voipbl/internal/testrules"
	"github.com/voipbl/voipbl/iptables"
)

// BenchmarkTables renders all rules of both families.
func BenchmarkTables(b *testing.B) {
	for name, s := range map[string]func() int{
		"drop":       func() int { return len(testrules.DropOnly().Wanted()[iptables.IPv4]) },
		"everything": func() int { return len(testrules.Everything().Wanted()[iptables.IPv4]) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if s() == 0 {
					b.Fatal("no tables")
				}
			}
		})
	}
}
