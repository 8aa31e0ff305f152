package ami

import (
	"bytes"
	"fmt"
	"testing"
)

// BenchmarkEvents reads what Asterisk says of requests that name unknown accounts: two events each.
func BenchmarkEvents(b *testing.B) {
	var stream []byte
	for i := range 1000 {
		stream = append(stream, bytes.ReplaceAll([]byte(request("9999")), []byte("c1"), fmt.Appendf(nil, "c%d", i))...)
	}
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	tracker := newTracker()
	for b.Loop() {
		r := newReader(bytes.NewReader(stream))
		for {
			m, err := r.next()
			if err != nil {
				break
			}
			if e, is := m.security(); is && e.whole {
				tracker.see(e, t0)
			}
		}
	}
	b.ReportMetric(float64(2000*b.N)/b.Elapsed().Seconds(), "events/s")
}
