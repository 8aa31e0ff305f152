package takeover

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/state"
)

// A running agent makes the kernel hold what its own configuration says. A command that
// goes by another one would be undone by it, so the agent takes the file over first, or
// the command says why it does not.

// NotFollowedError is a running agent that does not take over the configuration that a
// command is to put in force.
type NotFollowedError struct {
	Why  *problem.Problem // what the agent says; nil if it was not asked, or reads another file
	File string           // that the agent reads
}

func (e *NotFollowedError) Error() string {
	if e.Why == nil {
		return fmt.Sprintf("the agent goes by %s, which says something else, and would undo this", e.File)
	}
	return "the agent goes on with the old configuration, and would undo this: " + e.Why.Error
}

// Remedy says what to do about it.
func (e *NotFollowedError) Remedy() string {
	if e.Why == nil {
		return fmt.Sprintf("name that file with \"--config %s\", or stop the agent", e.File)
	}
	return e.Why.Remedy
}

// Following is what a command asks of the agent.
type Following struct {
	File    string // that the command has read
	MayLose state.MayLose
	DryRun  bool // only find out
	Timeout time.Duration

	// Judge is called just before the agent is asked to take another configuration over.
	// With an error, which is returned as it is, it is not asked. It may be nil.
	Judge func() error
}

// Followed is what a running agent has made of the configuration of a command. What it has
// put in force, the command finds done.
type Followed struct {
	Now   bool     `json:"now"`   // it took the configuration over for this command; else it went by it before
	Taken []string `json:"taken"` // all that was taken out with that, as of [TakenAway]
}

// Follow has a running agent take over the configuration that a command is to put in
// force. On a NotFollowedError it does not; a SilentAgentError says that nobody knows.
// Without an agent, and in a dry run that it would follow, it returns nothing.
func Follow(ctx context.Context, cfg config.Config, how Following) (*Followed, error) {
	theirs, err := state.AgentConfig(ctx, cfg.RunDir)
	switch {
	case errors.As(err, new(*state.NoAgentError)):
		return nil, nil
	case err != nil:
		return nil, err
	case cfg.Equal(theirs):
		return &Followed{Taken: []string{}}, nil
	}
	status, err := state.AskStatus(ctx, cfg)
	if err != nil || status == nil {
		return nil, err
	}
	if file, err := filepath.Abs(how.File); err == nil && how.File != "" && file != status.ConfigFile {
		return nil, &NotFollowedError{File: status.ConfigFile}
	}
	if how.DryRun {
		if err := Refusal(ctx, theirs, cfg, how.MayLose); err != nil {
			return nil, &NotFollowedError{Why: problem.Of(err), File: status.ConfigFile}
		}
		return nil, nil
	}
	if how.Judge != nil {
		if err := how.Judge(); err != nil {
			return nil, err
		}
	}
	refused, err := ReloadGently(ctx, cfg, how.Timeout, how.MayLose)
	if err != nil {
		return nil, err
	}
	// One that was taken over, and could not be put in force, is not refused.
	now, err := state.AgentConfig(ctx, cfg.RunDir)
	switch {
	case err != nil:
		return nil, err
	case !cfg.Equal(now):
		return nil, &NotFollowedError{Why: refused, File: status.ConfigFile}
	}
	return &Followed{Now: true, Taken: append([]string{}, TakenAway(theirs, cfg)...)}, nil
}

// ReloadGently has the agent read its file anew. What takes away more than it may is
// refused.
func ReloadGently(ctx context.Context, cfg config.Config, wait time.Duration, may state.MayLose) (refused *problem.Problem, err error) {
	path := state.ReloadPath
	if value := state.Gentle[may]; value != "" {
		path += "?" + url.Values{state.Gently: {value}}.Encode()
	}
	err = state.Ask(ctx, cfg, wait, http.MethodPost, path, &refused)
	return refused, err
}

// ReloadAgent has the agent take the configuration over, and returns when it is in
// force, or why it is refused. taken is all that it took away, as of [TakesAway].
func ReloadAgent(ctx context.Context, cfg config.Config, wait time.Duration) (taken []string, refused *problem.Problem, err error) {
	before, unknown := state.AgentConfig(ctx, cfg.RunDir)
	refused, err = ReloadGently(ctx, cfg, wait, state.LoseAny)
	if err == nil && refused == nil && unknown == nil {
		if now, err := state.AgentConfig(ctx, cfg.RunDir); err == nil {
			taken = TakenAway(before, now)
		}
	}
	return taken, refused, err
}

// TakesAway is all that a configuration would take away from a running agent's, such as
// "192.0.2.7 of allow".
func TakesAway(ctx context.Context, cfg config.Config) []string {
	theirs, err := state.AgentConfig(ctx, cfg.RunDir)
	if err != nil {
		return nil
	}
	return TakenAway(theirs, cfg)
}
