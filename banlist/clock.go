package banlist

import "github.com/voipbl/voipbl/internal/deadline"

// Clock is one moment by all clocks.
type Clock = deadline.Clock

// slack is how far two clocks drift apart without one of them having leapt.
const slack = deadline.Slack
