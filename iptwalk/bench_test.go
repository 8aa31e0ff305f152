package iptwalk

import (
	"net/netip"
	"testing"
)

// BenchmarkPlaces follows the packets of one source through the 5,000 rules of a busy host.
func BenchmarkPlaces(b *testing.B) {
	saved := csfRules(b, 5000)
	b.ReportAllocs()
	for b.Loop() {
		if _, cut := NewTracer(saved, noSources).Places(Packet{Source: netip.MustParsePrefix("45.0.0.1/32")}); cut {
			b.Fatal("not all ways were followed")
		}
	}
}
