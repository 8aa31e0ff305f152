package firewall

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/nft"
)

// leftOutError says that a tool of iptables left something out of its listing without an error.
type leftOutError struct {
	Tool         string
	Table, Chain string
	Shown, Has   int  // rules; Shown is -1 for a chain that is not shown at all
	Policy       bool // the policy is missing
}

func (e *leftOutError) Error() string {
	shown := fmt.Sprintf("shows %d of the %d rules of", e.Shown, e.Has)
	switch {
	case e.Policy:
		shown = "does not show the policy of"
	case e.Shown < 0:
		shown = "does not show"
	}
	return fmt.Sprintf("%s %s the chain %s of the table %s: the kernel has not enough memory for it", e.Tool, shown, e.Chain, e.Table)
}

// Unwrap returns the errno of a shortage, which has a remedy.
func (e *leftOutError) Unwrap() error { return unix.ENOBUFS }

// checkComplete compares a listing with what the kernel itself reports, and returns an error if
// the listing has less. If the kernel has no memory to list rules at that moment, a tool of
// iptables-nft shows chains as empty, or no chains, and exits with 0 (seen with 1.8.9). Without
// this check, what is missing from such a listing would be taken for removed, however often it
// is read.
//
// generation is that of nf_tables before the listing, or 0; last is what the kernel reported
// before it, or nil. If another program has changed rules meanwhile, the missing rules may be
// due to that, and the error is errListings.
func (fw *Firewall) checkComplete(ctx context.Context, s *iptables.Saved, generation uint32, last *nft.Listing) (now *nft.Listing, err error) {
	if fw.Backend != NFT || s.Absent || s.Trouble != nil {
		return last, nil
	}
	now, err = nft.Listed(ctx, nftFamilies[s.Family])
	if err != nil {
		return last, err
	}
	if last == nil {
		last = now
	}
	left := leftOut(s, last.Tables, now.Tables)
	switch {
	case left == nil:
		return now, nil
	case generation != now.Generation:
		return now, errListings
	}
	left.Tool = fw.tool(s.Family, "save")
	return now, left
}

// leftOut finds what a listing lacks although the kernel had it before and after.
func leftOut(s *iptables.Saved, before, after map[string]map[string]nft.ListedChain) *leftOutError {
	for _, table := range slices.Sorted(maps.Keys(after)) {
		if slices.Contains(s.Unreadable, table) {
			continue
		}
		for _, chain := range slices.Sorted(maps.Keys(after[table])) {
			now := after[table][chain]
			was, both := before[table][chain]
			if !both {
				continue
			}
			shown, has := -1, min(was.Rules, now.Rules)
			c := s.Tables[table][chain]
			if c != nil {
				shown = len(c.Rules)
			}
			if shown < has {
				return &leftOutError{Table: table, Chain: chain, Shown: shown, Has: has}
			}
			if c != nil && c.Policy != "-" && was.Drops == now.Drops && (c.Policy == "DROP") != now.Drops {
				return &leftOutError{Table: table, Chain: chain, Shown: shown, Has: has, Policy: true}
			}
		}
	}
	return nil
}
