package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/ipsetsync"
)

// Remove takes the sets out of the kernel and returns their names. If a rule or
// list that is not ours uses one, nothing is removed, and the error names it. A
// set of our name and another type is somebody else's and stays; foreign says so.
// The copies of the feeds stay, so that the next sync needs no network.
func Remove(ctx context.Context, cfg config.Config, wait time.Duration) (removed, foreign []string, err error) {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return nil, nil, err
	}
	defer kernel.Close()
	unlock, err := lock(ctx, cfg.RunDir, "voipbl remove", wait, nil)
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	var present []string
	for _, f := range cidr.Families {
		for _, name := range []string{setName(cfg, f), ipsetsync.TempName(setName(cfg, f))} {
			h, err := kernel.Header(name)
			if errors.Is(err, ipsetsync.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, nil, err
			}
			if !ipsetsync.IsOurs(h, f) {
				foreign = append(foreign, fmt.Sprintf("%s is a %s of %s, which is not ours: it stays", name, h.Type, h.Family))
				continue
			}
			if h.References > 0 {
				return nil, nil, &ipsetsync.InUseError{Header: h, Want: f, Users: setUsers(ctx, kernel, name)}
			}
			present = append(present, name)
		}
	}
	for i, name := range present {
		if err := kernel.Destroy(name); err != nil {
			return present[:i], foreign, err
		}
	}
	return present, foreign, nil
}
