// Package allowlist is the list of hosts that were allowed with "voipbl allow": which
// hosts, until when, and how the list is written down. It only computes: it reads no
// file and no clock. Packages exempt (the files) and blocklist (the command) use it; it
// stands on config and internal/deadline.
//
// The list is short, so each change rewrites it. There are several copies of it, and the
// newest valid one counts, so that a copy that is damaged or could not be written does no
// harm.
package allowlist
