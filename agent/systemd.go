package agent

import (
	"fmt"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/voipbl/voipbl/feeds"
	"golang.org/x/sys/unix"
)

// tellSystemd sends the agent's state to systemd (sd_notify(3)). Without systemd it does
// nothing; an error is only logged.
func (d *daemon) tellSystemd(state string) {
	if _, err := sd.SdNotify(false, state); err != nil {
		d.log.Debug("systemd could not be told", "state", state, "error", err)
	}
}

// monotonicUsec returns the line that must accompany RELOADING=1.
func monotonicUsec() string {
	var now unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/int64(time.Microsecond))
}

// watchdog is systemd's watchdog: if it is not fed in time, systemd kills the agent and starts
// it again. The sets and rules stay in force meanwhile.
type watchdog struct {
	every time.Duration // how often it is fed; 0 if there is none
	last  time.Time     // when it was last fed, or left hungry because fetching hangs
}

func newWatchdog() *watchdog {
	timeout, err := sd.SdWatchdogEnabled(false)
	if err != nil {
		timeout = 0
	}
	return &watchdog{every: timeout / 4}
}

// next returns when the watchdog must be fed, or at if that is earlier.
func (w *watchdog) next(at time.Time) time.Time {
	if hungry := w.last.Add(w.every); w.every > 0 && hungry.Before(at) {
		return hungry
	}
	return at
}

// roundSlack is how much longer than the time-outs of all feeds a round may take, beyond its
// wait for the lock, before it counts as stuck.
const roundSlack = 10 * time.Minute

// feed feeds the watchdog. The loop calls it, so a loop that hangs stops feeding. It also stops
// feeding if a round of fetching is stuck.
func (d *daemon) feed(dog *watchdog) {
	if dog.every == 0 || time.Since(dog.last) < dog.every-maxGlance { // rather now than in a moment of its own
		return
	}
	dog.last = time.Now()
	if _, busy := d.fetcher.plans(); !busy.IsZero() && time.Since(busy) > fetchWait+feeds.Rounds*d.cfg.Limits.Timeout+roundSlack {
		d.log.Error("fetching hangs", "since", busy)
		return
	}
	d.tellSystemd(sd.SdNotifyWatchdog)
}

// tellStatus sends the line that systemctl status shows.
func (d *daemon) tellStatus() {
	s := d.state.get()
	line := fmt.Sprintf("protected: %d entries, last applied %s", d.entries, s.Applied.Local().Format(time.DateTime))
	if d.entries == 0 {
		line = "no list is in force yet: see \"voipbl status\""
	}
	if d.troubled["sets"] || d.troubled["rules"] {
		line += "; not for IPv6: see \"voipbl status\""
	}
	switch {
	case s.ApplyError != nil:
		line = "could not be brought up to date: " + s.ApplyError.Error
	case s.ConfigError != nil:
		line += "; the new configuration is refused"
	case len(d.stale) > 0:
		line += fmt.Sprintf("; %d feeds are STALE", len(d.stale))
	}
	d.tellSystemd("STATUS=" + line)
}
