// Package metrics makes Prometheus' metrics of the status of a host: sets, rules, feeds, bans, and
// what the agent has done.
//
// It reads nothing itself: [New] is given the function that does. The agent serves them.
package metrics
