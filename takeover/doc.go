// Package takeover makes a running agent take over a changed configuration, and decides
// which changes it refuses because they would protect less.
//
// Commands call [Follow] before they change sets or rules by a file that the agent has not
// taken over yet: the agent would undo their changes. The package itself changes no sets
// and no rules. The agent and the commands that change sets or rules use it; it stands on
// state, setnames and settings.
package takeover
