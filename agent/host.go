package agent

import (
	"context"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/settings"
	"github.com/voipbl/voipbl/state"
)

// ensureDrop is what is left to do while the state folder cannot be used: the drop,
// which needs nothing of it. All else that is ours is left as it is.
func (h *handles) ensureDrop(ctx context.Context) error {
	if settings.LeavesRules(h.cfg) {
		return nil
	}
	unlock, err := state.Lock(ctx, h.cfg.RunDir, state.RulesLock, "voipbl run", state.LockWait, nil)
	if err != nil {
		return err
	}
	defer unlock()
	saved, err := h.fw.Read(ctx)
	if err != nil {
		return err
	}
	at, _ := place(ctx, h.cfg, h.fw.Backend, saved, stoodAtPrerouting(h.cfg, saved))
	want := settings.DropSettings(h.cfg, h.kernel, at).Wanted().KeepBase(saved)
	_, err = h.fw.Apply(ctx, want, saved, nil)
	if partly, yes := firewall.Partly(err); yes && partly.Family == firewall.IPv6 {
		return nil // told where all rules are made
	}
	return err
}

// stoodAtPrerouting reports whether our drop stands there, which is all that tells what was
// decided the last time where the state folder cannot be used.
func stoodAtPrerouting(cfg config.Config, saved [2]*firewall.Saved) bool {
	for _, f := range firewall.Families {
		for _, d := range saved[f].DropRules(cfg.SetName(int(f))) {
			if d.Ours && d.Table == "raw" {
				return true
			}
		}
	}
	return false
}

// handles is what a change of this host's sets and rules needs: the configuration, and
// the ways to the kernel and to the state folder.
type handles struct {
	cfg    config.Config
	kernel *ipsetsync.Kernel
	fw     *firewall.Firewall
	store  *fetch.Store
}

// openHost asks the kernel and looks for the tools first, so that what is missing
// is known before anything is made or downloaded.
func openHost(cfg config.Config) (*handles, error) {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return nil, err
	}
	fw, err := firewall.Open(cfg.Firewall.Backend)
	if err != nil {
		kernel.Close()
		return nil, err
	}
	return &handles{cfg: cfg, kernel: kernel, fw: fw}, nil
}

// openHostAndStore is openHost for who has nothing to wait for in between.
func openHostAndStore(cfg config.Config) (*handles, error) {
	h, err := openHost(cfg)
	if err != nil {
		return nil, err
	}
	if err := h.openStore(true); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// openStore opens the state folder; writes is that this is for writing into it.
func (h *handles) openStore(writes bool) (err error) {
	if !writes {
		h.store, err = fetch.OpenStore(h.cfg.StateDir)
		return err
	}
	h.store, err = state.OpenStore(h.cfg)
	return err
}

func (h *handles) close() {
	if h.store != nil {
		h.store.Close()
	}
	h.kernel.Close()
}

// sweep removes what killed runs have left in the state folder. The caller holds
// mainLock, under which copies of lists are staged; local files are under setsLock.
func sweep(ctx context.Context, cfg config.Config, store *fetch.Store, verb string, wait time.Duration) error {
	unlock, err := state.Lock(ctx, cfg.RunDir, state.SetsLock, verb, wait, nil)
	if err != nil {
		return err
	}
	defer unlock()
	return store.Sweep()
}
