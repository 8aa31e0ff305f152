package enroll

import (
	"context"
	"strings"

	"github.com/voipbl/voipbl/internal/probe"
	"github.com/voipbl/voipbl/internal/units"
)

// The units that take part in a fleet.
var (
	serverUnit = units.Server.Service() // Debian's, on the hub
	keeperUnit = units.Keeper.Service() // keeps the streams of the hub as they should be
	memberUnit = units.Member.Service()
)

// systemctl has systemd do something.
func systemctl(ctx context.Context, words ...string) error {
	_, _, err := probe.Change(ctx, append([]string{"systemctl"}, words...)...)
	return err
}

// isActive reports whether a unit runs.
func isActive(ctx context.Context, unit string) bool {
	out, _, _ := probe.Run(ctx, "systemctl", "is-active", unit) // fails for units that are not active
	return strings.TrimSpace(out) == "active"
}

// stop stops and disables a unit. One that is not installed is stopped.
func stop(ctx context.Context, unit string) error {
	_, said, err := probe.Change(ctx, "systemctl", "disable", "--now", unit)
	if err != nil && (strings.Contains(said, "does not exist") || strings.Contains(said, "not loaded")) {
		return nil
	}
	return err
}
