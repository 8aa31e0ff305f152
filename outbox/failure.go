package outbox

import "time"

// Reason says in one word why something could not be sent.
type Reason string

const (
	Unreachable Reason = "unreachable" // no name, no route, refused, or the connection died
	TLS         Reason = "tls"         // the certificate or the handshake was not acceptable
	TooSlow     Reason = "too-slow"    // no answer within the time allowed
	Busy        Reason = "retry-later" // 429: the server asks for a pause
	Status      Reason = "status"      // 5xx and whatever else is no answer to a report
	BadRedirect Reason = "bad-redirect"
	Forbidden   Reason = "refused" // any other 4xx: the same again would be refused again
)

// Remedy says what a person can do about it.
func (r Reason) Remedy() string {
	switch r {
	case Unreachable, TooSlow:
		return "check this host's network and its DNS; if it needs a proxy, write HTTPS_PROXY=http://PROXY:PORT into /etc/default/voipbl and restart voipbl; it is tried again by itself"
	case TLS:
		return "check this host's clock and its ca-certificates package, and whether a proxy intercepts TLS"
	case Busy, Status:
		return "nothing, if it is rare: it is tried again by itself"
	case BadRedirect:
		return "set report.url to where VoIPBL takes reports now"
	case Forbidden:
		return "check report.url and report.serial"
	}
	return ""
}

// Failure is what went wrong last, as it is kept.
type Failure struct {
	At     time.Time `json:"at"`
	Reason Reason    `json:"reason"`
	Error  string    `json:"error"`
}

// Error is why something could not be sent. Its text has no secret in it.
type Error struct {
	Reason Reason
	Server string // its name
	Words  string
}

func (e *Error) Error() string { return e.Server + ": " + e.Words }

// Remedy is that of the error's reason.
func (e *Error) Remedy() string { return e.Reason.Remedy() }

const (
	// NetworkPause is the least time between two requests of which the first did not reach
	// the server, when the network has changed.
	NetworkPause = 10 * time.Second

	// maxRetryAfter is the longest pause that a server gets: after that a report is no news.
	maxRetryAfter = 24 * time.Hour
)
