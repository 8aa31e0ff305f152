// Package screen is the terminal of a command: folded lines, columns, colours, the progress of a
// download, questions, errors with their remedies, and the agent's log.
//
// It knows nothing about verbs or their results: package show prints those. cmd/voipbl, setup and
// show import it.
package screen
