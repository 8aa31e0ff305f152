package feeds

import (
	"time"

	"github.com/voipbl/voipbl/config"
)

// This file finds frozen lists: the server is up, but nobody updates the list. What counts is
// what the list blocks and this host's clock, not the dates that the server sends. A list is
// not frozen while a new one is held back.

// FrozenRemedy is what to do about a frozen list.
const FrozenRemedy = "look at the list at its source; if it is right that it changes so seldom, raise the feed's frozen_after (0: never report)"

// IsFrozen reports whether fetches were due frozen_after times between the list's last change
// and its last success. Time after the last success, as while the host was off, does not
// count.
func IsFrozen(changed, success time.Time, f config.Feed) bool {
	if f.FrozenAfter == 0 || changed.IsZero() || success.IsZero() {
		return false
	}
	due, times := changed, TimesOf(f)
	for range f.FrozenAfter {
		if due = times.Next(due); due.After(success) {
			return false
		}
	}
	return true
}

// FrozenWords says that a list is frozen, and when it last changed.
func FrozenWords(changed time.Time) string {
	return "FROZEN: its list has not changed since " + changed.Local().Format(time.DateTime)
}
