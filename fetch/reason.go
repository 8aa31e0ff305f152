package fetch

// A Reason says in one word why a fetch or a file operation failed. The words
// are stable: they are kept in state files and shown in status and metrics.
type Reason string

const (
	ReasonBadURL      Reason = "bad-url"      // the configured URL is malformed, or its scheme is not allowed
	ReasonUnreachable Reason = "unreachable"  // no name, no route, refused, or the connection died before an answer
	ReasonTLS         Reason = "tls"          // the certificate or the handshake was refused
	ReasonProtocol    Reason = "protocol"     // the answer is not valid HTTP
	ReasonStatus      Reason = "status"       // an HTTP status that is neither 200 nor an expected 304
	ReasonRetryLater  Reason = "retry-later"  // the server's Retry-After is too long to wait for
	ReasonBadRedirect Reason = "bad-redirect" // to another scheme or to plain http, or too many
	ReasonTruncated   Reason = "truncated"    // the body ended before its announced end
	ReasonCorrupt     Reason = "corrupt"      // the body's compression is damaged or unknown
	ReasonTooLarge    Reason = "too-large"    // more bytes than allowed, after decompression
	ReasonTooSlow     Reason = "too-slow"     // not finished within the timeout
	ReasonCanceled    Reason = "canceled"     // the caller stopped it
	ReasonAbsent      Reason = "absent"       // a path, a glob or a copy that does not exist
	ReasonNotRegular  Reason = "not-regular"  // a FIFO, a device or a socket instead of a file
	ReasonUnreadable  Reason = "unreadable"   // a file that exists and cannot be read
	ReasonNoFiles     Reason = "no-files"     // this process may open no more files
	ReasonSecret      Reason = "secret"       // the file with a feed's secret is missing, open to others, or not one line
	ReasonShortage    Reason = "shortage"     // this host is short of memory, files or processes
	ReasonNoSpace     Reason = "no-space"     // the disk or the quota is full
	ReasonStorage     Reason = "storage"      // any other failure of the state folder: read-only, permissions, I/O
)

// Remedy returns what a person can do about it, as a sentence without its capital
// letter and full stop. It is empty if there is nothing to do.
func (r Reason) Remedy() string {
	switch r {
	case ReasonBadURL:
		return "correct the feed's url in the configuration; plain http needs insecure: true"
	case ReasonUnreachable:
		return "check this host's network and its DNS; if it needs a proxy, write HTTPS_PROXY=http://PROXY:PORT into /etc/default/voipbl and restart voipbl"
	case ReasonTLS:
		return "check this host's clock and its ca-certificates package, and whether a proxy intercepts TLS"
	case ReasonProtocol:
		return "check that the feed's url has the right port, and whether a proxy stands in between"
	case ReasonStatus:
		return "open the feed's url with curl -i from this host; a 401, 403, 404 or 410 means the url or its access has changed"
	case ReasonRetryLater:
		return "nothing, if it is rare: the server asked for a pause; otherwise fetch less often"
	case ReasonBadRedirect:
		return "set the feed's url to where the list has moved, after checking who runs that host"
	case ReasonTruncated, ReasonCorrupt:
		return "nothing, if it is rare: it is fetched again; otherwise look for a proxy that cuts downloads"
	case ReasonTooLarge:
		return "check that the source is a blocklist; if it is, raise limits.max_bytes"
	case ReasonTooSlow:
		return "check this host's network; if the server is just slow, raise limits.timeout"
	case ReasonAbsent:
		return "create the file or correct the feed's path in the configuration"
	case ReasonNotRegular:
		return "remove it from the feed's path: only regular files are read"
	case ReasonUnreadable:
		return "check its owner and mode, its target if it is a symbolic link, and the disk; the agent's service may read only what is root's own or readable for all, and nothing below /tmp"
	case ReasonSecret:
		return "write the secret as the only line of that file, and let nobody else read it (\"chown root: FILE\", \"chmod 600 FILE\")"
	case ReasonNoFiles:
		return "this process may open no more files: raise the limit (\"ulimit -n\", LimitNOFILE of the unit), and try again"
	case ReasonShortage:
		return "this host is short of memory, files or processes: see \"free\" and \"journalctl -k\", and try again"
	case ReasonNoSpace:
		return "free space or raise the quota where the state folder is (df -h, df -i)"
	case ReasonStorage:
		return "check that the state folder is on a writable file system, belongs to the user voipbl runs as, and is not writable by others; the agent's service may write elsewhere than below /var/lib/voipbl only after \"systemctl edit voipbl\" with ReadWritePaths="
	}
	return ""
}
