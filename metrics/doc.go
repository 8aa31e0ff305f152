// Package metrics turns the status of a host into Prometheus metrics: sets, rules, feeds, bans, and
// the agent's counters.
//
// It reads nothing itself: [New] takes the function that does. The agent imports it and serves the
// metrics.
package metrics
