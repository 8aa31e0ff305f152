package cidr

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/genfeed"
)

// list generates a list with genfeed.
func list(b *testing.B, lines int, shuffle bool) []byte {
	b.Helper()
	var buf bytes.Buffer
	spec := genfeed.Default(lines)
	spec.Shuffle = shuffle
	if _, err := genfeed.Write(&buf, spec); err != nil {
		b.Fatal(err)
	}
	return buf.Bytes()
}

// BenchmarkReadAndAggregate reads and aggregates a million lines, side by side with
// iprange, which does the same in C. The metric x-iprange is our time divided by that
// of iprange; the goal is 0.33.
func BenchmarkReadAndAggregate(b *testing.B) {
	for _, order := range []string{"sorted", "shuffled"} {
		b.Run(order, func(b *testing.B) {
			iprange, err := exec.LookPath("iprange")
			if err != nil {
				b.Fatal("iprange is needed to compare with: ", err)
			}
			const lines = 1_000_000
			text := list(b, lines, order == "shuffled")
			file := filepath.Join(b.TempDir(), "list")
			if err := os.WriteFile(file, text, 0o644); err != nil {
				b.Fatal(err)
			}
			policy := Policy{Widest: [2]uint8{8, 19}}
			var ours, theirs time.Duration
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				start := time.Now()
				f, err := os.Open(file)
				if err != nil {
					b.Fatal(err)
				}
				var builder Builder
				builder.Grow(IPv4, lines)
				if _, err := Read(f, policy, &builder); err != nil {
					b.Fatal(err)
				}
				f.Close()
				if builder.Sets().Len() == 0 {
					b.Fatal("nothing was read")
				}
				ours += time.Since(start)

				b.StopTimer()
				start = time.Now()
				if err := exec.Command(iprange, file).Run(); err != nil {
					b.Fatal(err)
				}
				theirs += time.Since(start)
				b.StartTimer()
			}
			b.ReportMetric(ours.Seconds()/theirs.Seconds(), "x-iprange")
		})
	}
}

// BenchmarkScan finds the entries of a list like VoIPBL's, without keeping them.
func BenchmarkScan(b *testing.B) {
	text := list(b, 77_068, false)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		sc, n := NewScanner(bytes.NewReader(text)), 0
		for sc.Scan() {
			n += len(sc.Prefixes())
		}
		if n != 77_068 {
			b.Fatalf("%d entries", n)
		}
	}
}

// BenchmarkParse reads the texts of single prefixes, as configurations and queries have them.
func BenchmarkParse(b *testing.B) {
	for _, text := range []string{"192.0.2.1", "198.51.100.0/24", "2001:db8:1:2::/64"} {
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParsePrefix(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAggregate sorts and merges the entries of a list like VoIPBL's.
func BenchmarkAggregate(b *testing.B) {
	for _, order := range []string{"sorted", "shuffled"} {
		b.Run(order, func(b *testing.B) {
			var all, work []Prefix
			sc := NewScanner(bytes.NewReader(list(b, 77_068, order == "shuffled")))
			for sc.Scan() {
				all = append(all, sc.Prefixes()...)
			}
			b.ReportAllocs()
			for b.Loop() {
				work = append(work[:0], all...)
				if len(Aggregate(work)) == 0 {
					b.Fatal("nothing is left")
				}
			}
		})
	}
}

// BenchmarkSubtract takes special-purpose space and a hundred exempt addresses out of a list like VoIPBL's.
func BenchmarkSubtract(b *testing.B) {
	set := setOfList(b)
	var exempt []Prefix
	for i := 0; i < set.Len(); i += set.Len() / 100 {
		exempt = append(exempt, set.At(i))
	}
	holes := SetOf(exempt...)[IPv4]
	special := SpecialSpace[IPv4]
	b.ReportAllocs()
	for b.Loop() {
		if n := set.Subtract(special).Subtract(holes).Len(); n == 0 || n >= set.Len() {
			b.Fatalf("%d of %d entries are left", n, set.Len())
		}
	}
}

// setOfList is the set of a list like VoIPBL's.
func setOfList(b *testing.B) Set {
	b.Helper()
	var builder Builder
	if _, err := Read(bytes.NewReader(list(b, 77_068, false)), Policy{Widest: [2]uint8{8, 19}}, &builder); err != nil {
		b.Fatal(err)
	}
	return builder.Sets()[IPv4]
}

// BenchmarkShape chooses the lengths of a list like VoIPBL's, and walks through the pieces.
func BenchmarkShape(b *testing.B) {
	set := setOfList(b)
	b.Run("choose", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ShapeOf(set, set.Len()/4)
		}
	})
	shape := ShapeOf(set, set.Len()/4)
	b.Run("walk", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n := 0
			for range shape.All() {
				n++
			}
			if n != shape.Len() {
				b.Fatalf("%d pieces, not %d", n, shape.Len())
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(shape.Len()), "ns/piece")
	})
}
