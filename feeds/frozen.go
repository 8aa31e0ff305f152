package feeds

import (
	"time"

	"github.com/voipbl/voipbl/config"
)

// A list is frozen if its source answers and has said the same for long: a server that
// is up and whose list nobody renews. What counts is what the list blocks, and this
// host's clock: not what the server says of its dates. While a new list waits to be
// believed, the source has something new to say.

// FrozenRemedy is what to do about one.
const FrozenRemedy = "look at the list at its source; if it is right that it changes so seldom, raise the feed's frozen_after (0: never tell)"

// IsFrozen reports whether a list was due that often between its last change and its last
// success. A host that slept for a week has missed nothing.
func IsFrozen(changed, success time.Time, f config.Feed) bool {
	if f.FrozenAfter == 0 || changed.IsZero() || success.IsZero() {
		return false
	}
	due := changed.Local() // the zone that cron goes by
	for range f.FrozenAfter {
		if due = f.Schedule.Next(due); due.After(success) {
			return false
		}
	}
	return true
}

func FrozenWords(changed time.Time) string {
	return "FROZEN: its list has not changed since " + changed.Local().Format(time.DateTime)
}
