package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/state"
)

const (
	// startTime is for how long a start that fails is tried again. After that systemd does
	// so, in a new process.
	startTime = 20 * time.Second

	// startPause is between two tries.
	startPause = time.Second

	// startExtend is how long one try may take: somebody may hold a lock for lockWait.
	// systemd is told at the begin of each (EXTEND_TIMEOUT_USEC, sd_notify(3)).
	startExtend = state.LockWait + 15*time.Second
)

// starting is a start of the agent. What fails is tried again within its time, for one
// file that could not be opened must not leave a host open.
type starting struct {
	log   *slog.Logger
	until time.Time
}

func newStarting(log *slog.Logger) *starting {
	return &starting{log, time.Now().Add(startTime)}
}

// try does something until it goes well, or fails for a reason that lasts, or the time
// is over. It returns the last error.
func (s *starting) try(ctx context.Context, do func() error, lasts func(error) bool) error {
	again := time.NewTicker(startPause)
	defer again.Stop()
	said := ""
	for {
		// That systemd cannot be told is no reason to fail.
		_, _ = sd.SdNotify(false, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", startExtend.Microseconds()))
		err := do()
		if err == nil || ctx.Err() != nil || lasts(err) || !time.Now().Before(s.until) {
			return err
		}
		if said != err.Error() {
			s.log.Warn("the start has failed, and is tried again", "error", err, "remedy", problem.Of(err).Remedy)
			said = err.Error()
		}
		select {
		case <-ctx.Done():
			return err
		case <-again.C:
		}
	}
}

// apply puts in force what is known. With one family protected the agent goes on, and
// tries again to protect the other.
func (s *starting) apply(ctx context.Context, d *daemon) error {
	err := s.try(ctx, func() error {
		err := d.apply(ctx, "start")
		if _, partly := firewall.Partly(err); partly {
			d.log.Error("one family is not protected, and is tried again", "error", err, "remedy", problem.Of(err).Remedy)
			return nil
		}
		return err
	}, isLasting)
	return err
}

// isLasting reports whether an error stays however often the same is tried: rights that
// are missing, say.
func isLasting(err error) bool {
	running := (*state.AgentRunningError)(nil)
	return errors.As(err, &running) || errors.Is(err, fs.ErrPermission) || errors.Is(err, ipsetsync.ErrPermission)
}

// isMistake reports whether a configuration that cannot be loaded will not be loaded the
// next time either.
func isMistake(err error) bool { return !problem.IsShortage(err) }
