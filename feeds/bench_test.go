package feeds

import (
	"bytes"
	"testing"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/genfeed"
)

// BenchmarkJudge judges a list like VoIPBL's by its content, and by its past.
func BenchmarkJudge(b *testing.B) {
	var text bytes.Buffer
	if _, err := genfeed.Write(&text, genfeed.Default(77_068)); err != nil {
		b.Fatal(err)
	}
	var builder cidr.Builder
	tally, err := cidr.Read(&text, cidr.Policy{Widest: [2]uint8{8, 19}}, &builder)
	if err != nil {
		b.Fatal(err)
	}
	sets := builder.Sets()
	b.Run("content", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if v := judge(config.Feed{MinEntries: 1000, MaxCoverage: 0.05}, tally, sets); v.reason != "" {
				b.Fatal(v.why)
			}
		}
	})
	b.Run("past", func(b *testing.B) {
		past := pastOf("list", extentOf(effective(tally, sets), sets), time.Unix(0, 0))
		compare := func(with cidr.Sets) turnover { return turnover{with.Len(), with.Len()} }
		b.ReportAllocs()
		for b.Loop() {
			if v, _ := judgeByPast(past, compare, tally, sets); v.reason != "" {
				b.Fatal(v.why)
			}
		}
	})
}
