package cidr

import (
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// The oracle: slow code that answers the same questions by other means (netip, big
// integers, strings). Tests compare the fast code with it.

// slowRange is addresses first to last of one family.
type slowRange struct{ first, last netip.Addr }

func rangeOf(p netip.Prefix) slowRange {
	p = p.Masked()
	last := p.Addr().AsSlice()
	for i := p.Bits(); i < len(last)*8; i++ {
		last[i/8] |= 0x80 >> (i % 8)
	}
	l, _ := netip.AddrFromSlice(last)
	return slowRange{p.Addr(), l}
}

// slowEntry reads one word as an entry.
func slowEntry(s string) (slowRange, bool) {
	if strings.Contains(s, "%") {
		return slowRange{}, false
	}
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap()
		return slowRange{a, a}, true
	}
	if addr, bits, ok := strings.Cut(s, "/"); ok {
		a, err := netip.ParseAddr(addr)
		if m, err := netip.ParseAddr(bits); err == nil {
			if n, ok := slowMask(m); ok && m.BitLen() == a.BitLen() {
				bits = strconv.Itoa(n)
			}
		}
		n, err2 := strconv.Atoi(bits)
		if err != nil || err2 != nil || strconv.Itoa(n) != bits || n < 0 || n > a.BitLen() {
			return slowRange{}, false
		}
		r := rangeOf(netip.PrefixFrom(a, n))
		if a.Is4In6() {
			if n < 96 {
				return slowRange{}, false
			}
			r.first, r.last = r.first.Unmap(), r.last.Unmap()
		}
		return r, true
	}
	if from, to, ok := strings.Cut(s, "-"); ok {
		a, err := netip.ParseAddr(from)
		b, err2 := netip.ParseAddr(to)
		if err != nil || err2 != nil {
			return slowRange{}, false
		}
		a, b = a.Unmap(), b.Unmap()
		mixed := a.BitLen() != b.BitLen() || strings.Contains(from, ":") != strings.Contains(to, ":")
		if mixed || b.Less(a) {
			return slowRange{}, false
		}
		return slowRange{a, b}, true
	}
	return slowRange{}, false
}

// slowMask is the length of a mask whose ones are all at the front.
func slowMask(mask netip.Addr) (int, bool) {
	text := ""
	for _, b := range mask.AsSlice() {
		text += fmt.Sprintf("%08b", b)
	}
	ones := strings.TrimRight(text, "0")
	return len(ones), mask.Zone() == "" && !strings.Contains(ones, "0")
}

func number(a netip.Addr) *big.Int { return new(big.Int).SetBytes(a.AsSlice()) }

// rangesOf turns prefixes into sorted, merged ranges of numbers.
func rangesOf(ps []Prefix) [][2]*big.Int {
	var rs [][2]*big.Int
	for _, p := range ps {
		r := rangeOf(p.Netip())
		rs = append(rs, [2]*big.Int{number(r.first), number(r.last)})
	}
	return mergeRanges(rs)
}

func mergeRanges(rs [][2]*big.Int) [][2]*big.Int {
	slices.SortFunc(rs, func(a, b [2]*big.Int) int { return a[0].Cmp(b[0]) })
	var out [][2]*big.Int
	one := big.NewInt(1)
	for _, r := range rs {
		if n := len(out); n > 0 && r[0].Cmp(new(big.Int).Add(out[n-1][1], one)) <= 0 {
			if r[1].Cmp(out[n-1][1]) > 0 {
				out[n-1][1] = r[1]
			}
			continue
		}
		out = append(out, r)
	}
	return out
}

// subtractRanges takes sorted, merged holes out of sorted, merged ranges.
func subtractRanges(rs, holes [][2]*big.Int) [][2]*big.Int {
	one := big.NewInt(1)
	var out [][2]*big.Int
	for _, r := range rs {
		first := r[0]
		for _, h := range holes {
			if h[1].Cmp(first) < 0 || h[0].Cmp(r[1]) > 0 {
				continue
			}
			if h[0].Cmp(first) > 0 {
				out = append(out, [2]*big.Int{first, new(big.Int).Sub(h[0], one)})
			}
			first = new(big.Int).Add(h[1], one)
		}
		if first.Cmp(r[1]) <= 0 {
			out = append(out, [2]*big.Int{first, r[1]})
		}
	}
	return out
}

func equalRanges(a, b [][2]*big.Int) bool {
	return slices.EqualFunc(a, b, func(x, y [2]*big.Int) bool { return x[0].Cmp(y[0]) == 0 && x[1].Cmp(y[1]) == 0 })
}
