package rules

import (
	"context"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/settings"
	"github.com/voipbl/voipbl/state"
)

// EnsureDrop applies the drop alone, for when the state folder cannot be used: the drop does
// not need it. voipbl's other rules stay as they are.
func (h *Handles) EnsureDrop(ctx context.Context) error {
	if settings.LeavesRules(h.Cfg) {
		return nil
	}
	unlock, err := state.Lock(ctx, h.Cfg.RunDir, state.RulesLock, "voipbl run", state.LockWait, nil)
	if err != nil {
		return err
	}
	defer unlock()
	r := Open(h.Cfg, h.Fw, h.Kernel, nil)
	defer r.Close()
	w := want{onlyDrop: true}
	s, err := r.see(ctx, w, How{})
	if err != nil || s.remembered {
		return err
	}
	o := r.carryOut(ctx, decide(w, s, Circumstances{}), s.saved)
	if o.partly != nil && o.partly.Family == iptables.IPv4 {
		return o.partly // that of IPv6 is reported where all rules are applied
	}
	return o.err
}

// Handles holds what a change of this host's sets and rules needs: the configuration, the
// kernel and the state folder.
type Handles struct {
	Cfg    config.Config
	Kernel *ipsetsync.Kernel
	Fw     *firewall.Firewall
	Store  *fetch.Store
}

// OpenHandles asks the kernel and looks for the tools, so that whatever is missing is known
// before anything is created or downloaded.
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

// OpenAllHandles is OpenHandles and OpenStore in one, for callers with nothing to do in between.
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

// OpenStore opens the state folder, for writing if writes is true.
func (h *Handles) OpenStore(writes bool) (err error) {
	if !writes {
		h.Store, err = fetch.OpenStore(h.Cfg.StateDir)
		return err
	}
	h.Store, err = state.OpenStore(h.Cfg)
	return err
}

// Close closes all handles.
func (h *Handles) Close() {
	if h.Store != nil {
		h.Store.Close()
	}
	h.Kernel.Close()
}

// Sweep removes what killed runs have left in the state folder. The caller holds mainLock,
// under which copies of lists are staged; copies of local files are staged under setsLock.
func Sweep(ctx context.Context, cfg config.Config, store *fetch.Store, verb string, wait time.Duration) error {
	unlock, err := state.Lock(ctx, cfg.RunDir, state.SetsLock, verb, wait, nil)
	if err != nil {
		return err
	}
	defer unlock()
	return store.Sweep()
}
