package outbox

import "time"

// Reason says in one word why something could not be sent.
type Reason string

const (
	reasonUnreachable Reason = "unreachable" // no name, no route, refused, or the connection died
	reasonTLS         Reason = "tls"         // the certificate or the handshake was not acceptable
	reasonTooSlow     Reason = "too-slow"    // no answer within the time allowed
	reasonBusy        Reason = "retry-later" // 429: the server asks for a pause
	reasonStatus      Reason = "status"      // 5xx, and any other status that is no answer to a report
	reasonBadRedirect Reason = "bad-redirect"
	reasonForbidden   Reason = "refused" // any other 4xx: the same request would be refused again
)

// Remedy says what an admin can do about the failure.
func (r Reason) Remedy() string {
	switch r {
	case reasonUnreachable, reasonTooSlow:
		return "check this host's network and its DNS; if it needs a proxy, write HTTPS_PROXY=http://PROXY:PORT into /etc/default/voipbl and restart voipbl; it is tried again by itself"
	case reasonTLS:
		return "check this host's clock and its ca-certificates package, and whether a proxy intercepts TLS"
	case reasonBusy, reasonStatus:
		return "nothing, if it is rare: it is tried again by itself"
	case reasonBadRedirect:
		return "set report.url to where VoIPBL takes reports now"
	case reasonForbidden:
		return "check report.url and report.serial"
	}
	return ""
}

// Failure is the last error, as the box keeps it.
type Failure struct {
	At     time.Time `json:"at"`
	Reason Reason    `json:"reason"`
	Error  string    `json:"error"`
}

// Error says why an entry could not be sent. Its text never has the serial in it.
type Error struct {
	Reason Reason
	Server string // its name
	Words  string
}

func (e *Error) Error() string { return e.Server + ": " + e.Words }

// Remedy is the remedy for the error's reason.
func (e *Error) Remedy() string { return e.Reason.Remedy() }

const (
	// NetworkPause is how long to wait after a request that did not reach the server, if the
	// network has changed since.
	NetworkPause = 10 * time.Second

	// maxRetryAfter is the longest pause that a server may ask for: then reports are too old.
	maxRetryAfter = 24 * time.Hour
)
