// Package memory is how much memory this host has, or may use, and how many entries of a
// list that is enough for.
package memory

const (
	// PerEntry is what an entry costs at most, while a new list takes the place of the old
	// one: 110 bytes in voipbl, and 70 in each of two sets of the kernel (IPv6, measured
	// with 2 million entries; of IPv4 it is 88 and 48).
	PerEntry = 250

	// share of all memory is what one list may take: the rest is for the telephones, other
	// lists and everything else.
	share = 8

	// Fewest is twice the VoIPBL list, without which there is little protection: 50 MB.
	Fewest = 200_000

	// Most is twenty times the VoIPBL list, with 4 GB and more.
	Most = 2_000_000

	// step keeps the number readable, and the same while memory differs by a little.
	step = 10_000
)

// Entries is how many entries one list may have on a host with so many bytes of memory; 0
// is a host of which that is not known.
func Entries(bytes uint64) int {
	if bytes == 0 {
		return Most
	}
	n := bytes / share / PerEntry / step * step
	return int(min(max(n, Fewest), Most))
}
