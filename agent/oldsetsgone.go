package agent

import (
	"context"
	"errors"

	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/setnames"
)

// findOldSets looks for sets whose configured names were changed while no agent ran.
func (d *daemon) findOldSets(ctx context.Context) {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return // every apply reports that
	}
	defer kernel.Close()
	names, _ := setnames.NamesThere(ctx, d.cfg, setnames.ReadSetNames(d.cfg), kernel)
	d.oldSets = setnames.FormerSets(d.cfg, names)
}

// removeOldSets destroys the sets whose names are no longer configured. One that stays does no
// harm, and is logged.
func (d *daemon) removeOldSets(h *rules.Handles) {
	if len(d.oldSets) == 0 {
		return
	}
	for _, set := range d.oldSets {
		if setnames.NamesSet(d.cfg, set.Name) {
			continue // its name is configured again
		}
		header, err := h.Kernel.Header(set.Name)
		if errors.Is(err, ipsetsync.ErrNotFound) {
			continue
		}
		if err == nil {
			if why := set.Foreign(header); why != "" {
				err = errors.New(why)
			} else if header.References > 0 {
				err = errors.New("it is in use")
			} else {
				err = h.Kernel.Destroy(set.Name)
			}
		}
		if err != nil {
			d.log.Warn("a set of the old configuration stays", "set", set.Name, "error", err)
		}
	}
	d.oldSets = nil
	d.warnIf("set names", setnames.ForgetSetNames(d.cfg, func(former setnames.NamesPair) bool { return setnames.HaveNone(d.cfg, former, h.Kernel) }))
}
