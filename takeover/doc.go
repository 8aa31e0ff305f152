// Package takeover says what a running agent takes over from a configuration that a command
// goes by, and what it refuses because less would be protected by it.
//
// [Follow] is what commands call before they change sets or rules by a file that the agent
// does not go by yet: it would undo what they do.
package takeover
