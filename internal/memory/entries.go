// Package memory finds how much memory this host has, or this process may use, and how
// many entries of a list that is enough for. It does not measure what lists really use. It
// also sets the garbage collector. It imports nothing of voipbl.
package memory

const (
	// perEntry is the most bytes that an entry takes while a new list replaces the old
	// one: 111 in voipbl and 71 in each of two sets of the kernel, where a quarter more
	// entries may be (shape). Measured with 1.6 million IPv6 entries written as 1.9 million;
	// IPv4 takes less.
	perEntry = 290

	// share is the divisor for the memory that one list may take. The rest is for the PBX,
	// other lists and everything else.
	share = 8

	// fewest is twice the VoIPBL list, without which there is little protection; it
	// takes 50 MB.
	fewest = 200_000

	// Most is twenty times the VoIPBL list, for hosts with 5 GB or more.
	Most = 2_000_000

	// step rounds the number, so that it is readable and does not change with small
	// differences of memory.
	step = 10_000
)

// Entries returns how many entries one list may have on a host with that many bytes of
// memory; 0 bytes means unknown.
func Entries(bytes uint64) int {
	if bytes == 0 {
		return Most
	}
	n := bytes / share / perEntry / step * step
	return int(min(max(n, fewest), Most))
}
