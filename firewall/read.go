package firewall

import (
	"context"
	"errors"
	"time"

	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/nft"
)

// readPause is the time between two listings, for other programs to finish their changes and for
// memory to become free.
const readPause = 50 * time.Millisecond

// Read lists the rules that the kernel holds, of each family separately. It changes nothing; the
// legacy tools list only the tables that the kernel has. If a family cannot be listed, its
// [iptables.Saved.Trouble] says why; if none that the kernel has can be listed, that is an error.
//
// The tools are started by the calling goroutine, and so in its network namespace.
func (fw *Firewall) Read(ctx context.Context) (saved [2]*iptables.Saved, err error) {
	m := momentOf(ctx)
	if saved, ok := m.recall(fw); ok {
		return saved, nil
	}
	if saved, err = fw.readNow(ctx); err == nil {
		m.keep(fw, saved)
	}
	return saved, err
}

func (fw *Firewall) readNow(ctx context.Context) (saved [2]*iptables.Saved, err error) {
	generation := fw.Generation() // one for both families, however often each is listed
	var told [2]*nft.Listing      // from the kernel itself
	families := iptables.Families[:]
	for i := range attempts {
		if i > 0 && !pause(ctx, readPause) {
			break
		}
		before, _ := nftGeneration()
		listed := fw.list(ctx, families)
		var again []iptables.Family
		for _, f := range families {
			saved[f] = listed[f]
			if told[f], err = fw.checkComplete(ctx, listed[f], before, told[f]); err != nil {
				saved[f] = &iptables.Saved{Family: f, Trouble: err}
			}
			if errors.Is(err, errListings) || errors.As(err, new(*leftOutError)) {
				again = append(again, f)
			}
			if saved[f].Trouble == nil && !saved[f].Absent {
				saved[f].Generation = generation
			}
		}
		if families = again; len(families) == 0 {
			break
		}
	}
	var errs []error
	for _, s := range saved {
		if s.Trouble == nil && !s.Absent {
			return saved, nil
		}
		errs = append(errs, s.Trouble)
	}
	return saved, errors.Join(errs...)
}

// pause waits, and reports false if ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// list runs the tools for the given families at the same time.
func (fw *Firewall) list(ctx context.Context, families []iptables.Family) (saved [2]*iptables.Saved) {
	var runs [2]*running
	for _, f := range families {
		if Present(f) {
			runs[f] = start(ctx, "", fw.tool(f, "save"), "--counters")
		}
	}
	for _, f := range families {
		if runs[f] == nil {
			saved[f] = &iptables.Saved{Family: f, Absent: true}
			continue
		}
		out, err := runs[f].wait()
		if err == nil {
			saved[f], err = iptables.ParseSaved(f, out)
		}
		if err != nil {
			saved[f] = &iptables.Saved{Family: f, Trouble: err}
		}
	}
	return saved
}
