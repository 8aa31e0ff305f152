package known

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/deadline"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/state"
)

// TrunksFile is the name of the copies of the list of trunks, which are kept as those of phones are.
const TrunksFile = "trunks"

// ReadTrunks reads the list of trunks as it is now. It changes nothing.
func ReadTrunks(cfg config.Config) Trunks {
	t, _ := FindTrunks(cfg)
	return t
}

// FindTrunks is [ReadTrunks], with why there may be more trunks than the list has. That needs nobody's
// help: what watches the PBX tells of all trunks each hour.
func FindTrunks(cfg config.Config) (Trunks, error) {
	if !cfg.PBX.TrustRegistered {
		return Trunks{}, nil
	}
	t, _, err := readTrunks(cfg, state.Clock())
	return t, err
}

// readTrunks returns the newest copy, and that of the state folder. The error says why there is none,
// although there should be.
func readTrunks(cfg config.Config, now deadline.Clock) (newest, kept Trunks, unread error) {
	var errs []error
	for _, dir := range dirs(cfg) {
		t, err := readTrunksIn(dir)
		if err != nil {
			if !problem.IsAbsent(err) {
				errs = append(errs, err)
			}
			continue
		}
		if t.Serial > newest.Serial {
			newest = t
		}
		if dir == cfg.StateDir {
			kept = t
		}
	}
	if newest.Serial == 0 && len(errs) > 0 {
		unread = fmt.Errorf("trunks of the PBX may be blocked until it is asked for them again, within an hour: %w", errors.Join(errs...))
	}
	return newest.At(now), kept, unread
}

func readTrunksIn(dir string) (Trunks, error) {
	if _, err := os.Lstat(filepath.Join(dir, TrunksFile+".json")); problem.IsAbsent(err) {
		return Trunks{}, err
	}
	store, err := fetch.FindStore(dir)
	if err != nil {
		return Trunks{}, err
	}
	defer store.Close()
	var f trunkFile
	if err := store.ReadJSON(TrunksFile, &f); err != nil {
		return Trunks{}, err
	}
	return f.decode()
}

// due reports whether the copy in the state folder is to be replaced.
func (t Trunks) due(cfg config.Config, next Trunks) bool {
	return !t.same(next) || next.Written.Passed(t.Written) >= keepEvery || state.IsUnwritten(cfg, TrunksFile+".json")
}

// writeTrunks writes a list, also into the state folder if the copy there is to be replaced. It succeeds
// if one of the folders has it; then unkept says why it is not in the state folder. The caller holds the lock.
func writeTrunks(cfg config.Config, kept, next Trunks) (unkept, err error) {
	next.Serial = max(next.Serial+1, next.Written.Wall.UnixMilli())
	write := func(store *fetch.Store, err error) error {
		if err != nil {
			return err
		}
		defer store.Close()
		return store.WriteJSON(TrunksFile, next.encode())
	}
	run := write(fetch.OpenStore(cfg.RunDir))
	if run == nil && !kept.due(cfg, next) {
		return nil, nil
	}
	unkept = write(state.OpenStore(cfg))
	if run != nil && unkept != nil {
		return nil, errors.Join(run, unkept)
	}
	return unkept, nil
}

// takeTrunks notes where the PBX is registered. changed reports whether there are other trunks than
// before. If there is no error, wrong says what could not be done all the same.
func takeTrunks(ctx context.Context, cfg config.Config, seen []SeenTrunk) (changed bool, wrong, err error) {
	unlock, err := lock(ctx, cfg, "voipbl run", lockWait)
	if err != nil {
		return false, nil, err
	}
	defer unlock()
	now, kept, _ := readTrunks(cfg, state.Clock())
	next, changed := now.with(seen, now.Written)
	unkept, err := writeTrunks(cfg, kept, next)
	if err != nil || !changed {
		return false, unkept, err
	}
	return true, errors.Join(unkept, refill(cfg)), nil
}

// ForgetTrunk takes a trunk off the list that the PBX has no more, by its host or one of its addresses, and
// returns what it took off. verb is the command that asks. A trunk that the PBX still has is back
// within an hour.
func ForgetTrunk(ctx context.Context, cfg config.Config, verb, host string, wait time.Duration) ([]Trunk, error) {
	unlock, err := lock(ctx, cfg, verb, wait)
	if err != nil {
		return nil, err
	}
	defer unlock()
	now, kept, unread := readTrunks(cfg, state.Clock())
	next, gone := now.without(host)
	if len(gone) == 0 {
		return nil, unread
	}
	unkept, err := writeTrunks(cfg, kept, next)
	if err != nil {
		return nil, err
	}
	return gone, errors.Join(unkept, refill(cfg))
}

// Resolved notes the addresses of trunks that are names, and has base rules let these in. It reports
// whether there are others than before.
func Resolved(ctx context.Context, cfg config.Config, addrs map[string][]netip.Addr, wait time.Duration) (changed bool, err error) {
	if !cfg.PBX.TrustRegistered {
		return false, nil
	}
	if _, changed := ReadTrunks(cfg).at(addrs); !changed {
		return false, nil
	}
	unlock, err := lock(ctx, cfg, "voipbl run", wait)
	if err != nil {
		return false, err
	}
	defer unlock()
	now, kept, _ := readTrunks(cfg, state.Clock())
	next, changed := now.at(addrs)
	if _, err := writeTrunks(cfg, kept, next); err != nil { // status says what is not in the state folder
		return false, err
	}
	return changed, refill(cfg)
}

// refill makes the kernel's sets equal to the lists as they are written. The caller holds the lock.
func refill(cfg config.Config) error {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return err
	}
	defer kernel.Close()
	return fill(cfg, kernel, read(cfg, state.Clock()).List)
}
