package enroll

import (
	"context"
	"fmt"
	"slices"

	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/internal/problem"
)

// removeRelay takes the relay of a site away. It is cut off first: a server that is told of an account that is gone
// goes on with the connections that it has.
func (h *hubRun) removeRelay(ctx context.Context, r *Relayed) error {
	site := r.Site
	_, there := h.op.RelayOf(site)
	if !there && !slices.ContainsFunc(h.op.Hosts, func(m keys.Host) bool { return m.Name.Site() == site }) {
		return (&problem.Problem{Error: fmt.Sprintf("no host of this fleet is of the site %s, and no relay", site), Remedy: "\"voipbl fleet status\" lists the hosts"}).Err()
	}
	if there && !h.DryRun && (h.here() || h.runs()) {
		h.op.CutRelay(site)
		if err := h.cutOff(ctx, h.op.Strangers); err != nil {
			return err
		}
	}
	was := h.changed
	h.op.RemoveRelay(site)
	tell := toReload
	if there && len(h.op.Relays) == 0 {
		tell = toRestart // the server closes no port before
	}
	if err := h.write(tell); err != nil {
		return err
	}
	if len(was) > 0 {
		h.changed = was
	}
	if h.DryRun {
		return nil
	}
	r.Removed = true
	said := len(h.notes)
	if err := h.settle(ctx); err != nil {
		return h.halfway(err)
	}
	if tell == toRestart && len(h.notes) == said {
		if err := h.await(ctx); err != nil {
			return h.halfway(err)
		}
	}
	return h.done()
}
