package cidr

import "slices"

// insertionMax is the number of prefixes up to which an insertion sort is faster than
// another round of counting (measured: 16 to 48 perform alike, 8 and 96 are slower).
const insertionMax = 32

// Sort sorts prefixes of one family in the order of [Prefix.Compare]. It is a radix
// sort in place, octet by octet from the front. For a million prefixes it takes a third
// of the time of slices.SortFunc and no memory. Lists that are already sorted, as most
// feeds are, are only read once.
func Sort(ps []Prefix) {
	if !slices.IsSortedFunc(ps, Prefix.Compare) {
		radixSort(ps, 0)
	}
}

func radixSort(ps []Prefix, octet int) {
	if len(ps) <= insertionMax {
		insertionSort(ps)
		return
	}
	if octet == 16 { // same address
		slices.SortFunc(ps, Prefix.Compare)
		return
	}
	var count [256]int
	for i := range ps {
		count[ps[i].addr.octet(octet)]++
	}
	var next, end [256]int
	sum := 0
	for b, n := range count {
		next[b] = sum
		sum += n
		end[b] = sum
	}
	// Put each prefix where it belongs, following the chain of those it
	// displaces, until every bucket is full.
	for b := range 256 {
		for next[b] < end[b] {
			p := ps[next[b]]
			for {
				home := int(p.addr.octet(octet))
				if home == b {
					break
				}
				p, ps[next[home]] = ps[next[home]], p
				next[home]++
			}
			ps[next[b]] = p
			next[b]++
		}
	}
	start := 0
	for b, n := range count {
		if n > 1 {
			radixSort(ps[start:end[b]], octet+1)
		}
		start = end[b]
	}
}

func insertionSort(ps []Prefix) {
	for i := 1; i < len(ps); i++ {
		p, j := ps[i], i
		for j > 0 && p.less(ps[j-1]) {
			ps[j] = ps[j-1]
			j--
		}
		ps[j] = p
	}
}

// less is Compare within one family.
func (p Prefix) less(q Prefix) bool {
	if p.addr != q.addr {
		return p.addr.less(q.addr)
	}
	return p.bits < q.bits
}
