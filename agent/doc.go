// Package agent is the daemon behind "voipbl run": it fetches each list when it is due, applies
// it, repairs what others change in voipbl's sets and rules, answers on its socket, and serves
// metrics. [Run] starts it.
//
// It decides nothing about lists, bans or rules: packages blocklist, feeds, bans and rules do,
// and package metrics makes the metrics. Only cmd/voipbl imports it. Commands reach a running
// agent through package state.
package agent
