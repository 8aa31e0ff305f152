// Package screen is what a person sees of a command: lines folded to a terminal, columns,
// colours, how far a download is, questions, errors with what to do about them, the agent's log.
//
// It knows no verb and none of their answers; package show has their words.
package screen
