package rules

import (
	"context"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/settings"
	"github.com/voipbl/voipbl/state"
)

// EnsureDrop is what is left to do while the state folder cannot be used: the drop,
// which needs nothing of it. All else that is ours is left as it is.
func (h *Handles) EnsureDrop(ctx context.Context) error {
	if settings.LeavesRules(h.Cfg) {
		return nil
	}
	unlock, err := state.Lock(ctx, h.Cfg.RunDir, state.RulesLock, "voipbl run", state.LockWait, nil)
	if err != nil {
		return err
	}
	defer unlock()
	saved, err := h.Fw.Read(ctx)
	if err != nil {
		return err
	}
	at, _, _ := reach.DropAt(ctx, h.Cfg, h.Fw.Backend, saved, stoodAtPrerouting(h.Cfg, saved))
	want := settings.DropSettings(h.Cfg, h.Kernel, at).Wanted().KeepBase(saved)
	_, err = h.Fw.Apply(ctx, want, saved, nil)
	if partly, yes := firewall.Partly(err); yes && partly.Family == iptables.IPv6 {
		return nil // told where all rules are made
	}
	return err
}

// stoodAtPrerouting reports whether our drop stands there, which is all that tells what was
// decided the last time where the state folder cannot be used.
func stoodAtPrerouting(cfg config.Config, saved [2]*iptables.Saved) bool {
	for _, f := range iptables.Families {
		for _, d := range saved[f].DropRules(cfg.SetName(int(f))) {
			if d.Ours && d.Table == "raw" {
				return true
			}
		}
	}
	return false
}

// Handles is what a change of this host's sets and rules needs: the configuration, and
// the ways to the kernel and to the state folder.
type Handles struct {
	Cfg    config.Config
	Kernel *ipsetsync.Kernel
	Fw     *firewall.Firewall
	Store  *fetch.Store
}

// OpenHandles asks the kernel and looks for the tools first, so that what is missing
// is known before anything is made or downloaded.
func OpenHandles(cfg config.Config) (*Handles, error) {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return nil, err
	}
	fw, err := firewall.Open(cfg.Firewall.Backend)
	if err != nil {
		kernel.Close()
		return nil, err
	}
	return &Handles{Cfg: cfg, Kernel: kernel, Fw: fw}, nil
}

// OpenAllHandles is openHost for who has nothing to wait for in between.
func OpenAllHandles(cfg config.Config) (*Handles, error) {
	h, err := OpenHandles(cfg)
	if err != nil {
		return nil, err
	}
	if err := h.OpenStore(true); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

// OpenStore opens the state folder; writes is that this is for writing into it.
func (h *Handles) OpenStore(writes bool) (err error) {
	if !writes {
		h.Store, err = fetch.OpenStore(h.Cfg.StateDir)
		return err
	}
	h.Store, err = state.OpenStore(h.Cfg)
	return err
}

// Close closes all of them.
func (h *Handles) Close() {
	if h.Store != nil {
		h.Store.Close()
	}
	h.Kernel.Close()
}

// Sweep removes what killed runs have left in the state folder. The caller holds
// mainLock, under which copies of lists are staged; local files are under setsLock.
func Sweep(ctx context.Context, cfg config.Config, store *fetch.Store, verb string, wait time.Duration) error {
	unlock, err := state.Lock(ctx, cfg.RunDir, state.SetsLock, verb, wait, nil)
	if err != nil {
		return err
	}
	defer unlock()
	return store.Sweep()
}
