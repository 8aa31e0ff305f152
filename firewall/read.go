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
	if begun := m.begunBy(fw); begun != nil {
		if saved, err = fw.readNow(ctx, begun); err == nil && m.keep(fw, saved) {
			return saved, nil
		} // rules have changed since, or a family has trouble: list again
	}
	if saved, err = fw.readNow(ctx, nil); err == nil {
		m.keep(fw, saved)
	}
	return saved, err
}

// readNow lists the rules. begun is a listing that has been started, or nil.
func (fw *Firewall) readNow(ctx context.Context, begun *listing) (saved [2]*iptables.Saved, err error) {
	families := iptables.Families[:]
	if begun == nil {
		begun = fw.begin(ctx, families)
	}
	generation := begun.generation // one for both families, however often each is listed
	var told [2]*nft.Listing       // from the kernel itself
	for i := range attempts {
		if i > 0 {
			if !pause(ctx, readPause) {
				break
			}
			begun = fw.begin(ctx, families)
		}
		listed := begun.wait()
		var again []iptables.Family
		for _, f := range families {
			saved[f], err = listed[f], nil
			if !begun.empty[f] {
				told[f], err = fw.checkComplete(ctx, listed[f], begun.before, told[f])
			}
			if err != nil {
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

// listing is the tools at work.
type listing struct {
	generation string // of the rules before it; see [Firewall.Generation]
	before     uint32 // the same of nf_tables, or 0; only for that backend
	runs       [2]*running
	empty      [2]bool // the kernel has no table, so no tool has to run
	families   []iptables.Family
}

// newListing returns a listing of which only the generation is known yet.
func (fw *Firewall) newListing() *listing {
	l := &listing{}
	l.generation, l.before = fw.generations()
	return l
}

// begin starts a listing.
func (fw *Firewall) begin(ctx context.Context, families []iptables.Family) *listing {
	l := fw.newListing()
	l.start(ctx, fw, families)
	return l
}

// start starts the tools for the given families at the same time.
func (l *listing) start(ctx context.Context, fw *Firewall, families []iptables.Family) {
	l.families = families
	for _, f := range families {
		if !Present(f) {
			continue
		}
		tool := fw.tool(f, "save")
		// As at boot. A tool that is missing is reported all the same.
		if _, missing := findTool(tool); fw.Backend == NFT && missing == nil && ctx.Err() == nil && nftEmpty(f) {
			l.empty[f] = true
			continue
		}
		l.runs[f] = start(ctx, "", tool, "--counters")
	}
}

// wait returns what the tools have listed.
func (l *listing) wait() (saved [2]*iptables.Saved) {
	for _, f := range l.families {
		var out []byte
		var err error
		switch {
		case l.runs[f] != nil:
			out, err = l.runs[f].wait()
		case !l.empty[f]:
			saved[f] = &iptables.Saved{Family: f, Absent: true}
			continue
		}
		if err == nil {
			saved[f], err = iptables.ParseSaved(f, out)
		}
		if err != nil {
			saved[f] = &iptables.Saved{Family: f, Trouble: err}
		}
	}
	return saved
}

// stop ends the tools of a listing that nobody needs.
func (l *listing) stop() {
	for _, r := range l.runs {
		if r != nil {
			r.cancel()
			r.wait()
		}
	}
}
