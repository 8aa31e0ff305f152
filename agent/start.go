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
	// startTime is how long a failing start is tried again in this process. After that systemd
	// starts a new one.
	startTime = 20 * time.Second

	// startPause is the pause between two tries.
	startPause = time.Second

	// startExtend is how long one try may take, since another process may hold a lock for
	// state.LockWait. Each try reports it to systemd (EXTEND_TIMEOUT_USEC, sd_notify(3)).
	startExtend = state.LockWait + 15*time.Second
)

// starting is a start of the agent. It tries again for startTime, so that a passing error, such
// as a file that could not be opened, does not leave the host unprotected.
type starting struct {
	log   *slog.Logger
	until time.Time
}

func newStarting(log *slog.Logger) *starting {
	return &starting{log, time.Now().Add(startTime)}
}

// try calls do until it succeeds, fails with an error that lasts, or the time is over. It
// returns the last error.
func (s *starting) try(ctx context.Context, do func() error, lasts func(error) bool) error {
	again := time.NewTicker(startPause)
	defer again.Stop()
	said := ""
	for {
		// If systemd cannot be reached, go on.
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

// apply is the first apply, of what is on disk. If only one family can be protected, the agent
// goes on and tries the other again later.
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

// isLasting reports whether trying again is useless, as when rights are missing.
func isLasting(err error) bool {
	running := (*state.AgentRunningError)(nil)
	return errors.As(err, &running) || errors.Is(err, fs.ErrPermission) || errors.Is(err, ipsetsync.ErrPermission)
}

// isMistake reports whether loading the configuration failed because of the file, so that
// trying again is useless.
func isMistake(err error) bool { return !problem.IsShortage(err) }
