package banlist

import "github.com/voipbl/voipbl/internal/deadline"

// Clock is one moment by all clocks of the host.
type Clock = deadline.Clock

// slack is how far two clocks may drift apart before one of them counts as set.
const slack = deadline.Slack
