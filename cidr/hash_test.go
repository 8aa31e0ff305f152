package cidr

import (
	"math/bits"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// hashes maps each hash to its prefix.
type hashes map[uint64]Prefix

// add fails if another prefix has the same hash.
func (h hashes) add(t *testing.T, p Prefix) {
	t.Helper()
	sum := p.Hash()
	if q, twice := h[sum]; twice && p != q {
		t.Fatalf("%s and %s have the hash %016x", p, q, sum)
	}
	h[sum] = p
}

// TestHash: no two of a million prefixes have the same hash. By chance that would
// happen once in 37 million runs.
func TestHash(t *testing.T) {
	r := rand.New(rand.NewPCG(2026, 4))
	for name, next := range map[string]func(i int) Prefix{
		"at random": func(int) Prefix {
			a := u128{r.Uint64(), r.Uint64()}
			if r.IntN(2) == 0 {
				return newPrefix(IPv4, u128{hi: a.hi >> 32 << 32}, uint8(16+r.IntN(17)))
			}
			return newPrefix(IPv6, a, uint8(32+r.IntN(97)))
		},
		"one address after the other": func(i int) Prefix {
			return newPrefix(IPv4, u128{hi: uint64(0x0a000000+i) << 32}, 32)
		},
		"one network after the other": func(i int) Prefix {
			return newPrefix(IPv4, u128{hi: uint64(0x0a0000+i) << 40}, 24)
		},
		"one IPv6 address after the other": func(i int) Prefix {
			return newPrefix(IPv6, u128{0x20010db8 << 32, uint64(i)}, 128)
		},
		"one IPv6 network after the other": func(i int) Prefix {
			return newPrefix(IPv6, u128{hi: 0x20010db8<<32 | uint64(i)}, 64)
		},
		"one IPv4 address with each length": func(i int) Prefix {
			return newPrefix(IPv4, u128{hi: uint64(0x0a000000+i/33) << 32}, uint8(i%33))
		},
	} {
		t.Run(name, func(t *testing.T) {
			most := 200_000
			if name == "at random" {
				most = 1_000_000
			}
			seen := make(hashes, most)
			for i := range most {
				seen.add(t, next(i))
			}
		})
	}
}

// TestHashTellsLengthFromAddress: prefixes that differ only in length or family have
// different hashes.
func TestHashTellsLengthFromAddress(t *testing.T) {
	t.Run("neighbouring networks", func(t *testing.T) {
		seen := make(hashes)
		for i := range uint64(256) {
			for length := uint8(48); length <= 128; length++ {
				seen.add(t, newPrefix(IPv6, u128{hi: 0x20010db8<<32 | i}, length))
			}
		}
	})
	t.Run("families", func(t *testing.T) {
		seen := make(hashes)
		for length := uint8(8); length <= 32; length++ {
			seen.add(t, newPrefix(IPv4, u128{hi: 0x0a000000 << 32}, length))
		}
		for i := range uint64(512) {
			for length := uint8(56); length <= 128; length++ {
				p := newPrefix(IPv6, u128{hi: 0x0a000000<<32 | i}, length)
				if q, twice := seen[p.Hash()]; twice {
					t.Fatalf("%s and %s have the hash %016x", p, q, p.Hash())
				}
			}
		}
	})
}

// TestHashOfTheSamePrefix: a prefix has one hash, however it was made.
func TestHashOfTheSamePrefix(t *testing.T) {
	seen := make(hashes)
	for _, text := range []string{"0.0.0.0/0", "::/0", "0.0.0.0", "::", "10.0.0.0/8", "10.0.0.0/9", "10.0.0.0", "a00::/8", "255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"} {
		p := MustParsePrefix(text)
		seen.add(t, p)
		if q := FromNetip(p.Netip()); q.Hash() != p.Hash() {
			t.Errorf("%s, made in two ways, has two hashes", text)
		}
	}
}

// TestHashBits: if two prefixes differ in one bit, their hashes differ in half of their
// bits, so that sums of hashes differ too.
func TestHashBits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const times = 64
		f := rapid.SampledFrom(Families[:]).Draw(t, "family")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		length := f.Bits() - uint8(rapid.IntRange(0, 8).Draw(t, "host bits"))
		differ := 0
		for range times {
			p := newPrefix(f, u128{r.Uint64(), r.Uint64()}, length)
			q := p
			q.addr = p.addr.xor(bit(1 + uint8(r.IntN(int(length)))))
			differ += bits.OnesCount64(p.Hash() ^ q.Hash())
		}
		// Expected are 32 of 64 bits, with a deviation of 4; the mean deviates by half
		// a bit.
		if mean := float64(differ) / times; mean < 28 || mean > 36 {
			t.Fatalf("%.1f bits of 64 differ", mean)
		}
	})
}
