// Package agent is the daemon: it fetches each list when it is due, puts it in force, undoes
// what others do to the sets and rules of voipbl, answers on its socket, and serves metrics.
//
// [Run] is all of it. The work itself is that of package blocklist; nothing but the command
// imports this package.
package agent
