package takeover

import (
	"cmp"
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

// A running agent applies its own configuration, and would undo the changes of a
// command with another one. So the agent takes over the file first, or the command says
// why it does not.

// NotFollowedError is returned if a running agent does not take over the configuration
// that a command is to apply.
type NotFollowedError struct {
	Why  *problem.Problem // why the agent refuses; nil if it was not asked, or reads another file
	File string           // the file that the agent reads
}

func (e *NotFollowedError) Error() string {
	if e.Why == nil {
		return fmt.Sprintf("the agent goes by %s, which says something else, and would undo this", e.File)
	}
	return "the agent goes on with the old configuration, and would undo this: " + e.Why.Error
}

// Remedy returns what to do about it.
func (e *NotFollowedError) Remedy() string {
	if e.Why == nil {
		return fmt.Sprintf("name that file with \"--config %s\", or stop the agent", e.File)
	}
	return e.Why.Remedy
}

// Following is the options of [Follow].
type Following struct {
	File    string // the file that the command has read
	MayLose state.MayLose
	DryRun  bool // only check whether the agent would follow
	Again   bool // have it taken over even if the agent has it: a file that it names has changed
	Timeout time.Duration

	// Judge is called just before the agent is asked to take over the configuration. If
	// it returns an error, Follow returns that and does not ask. It may be nil.
	Judge func() error
}

// Followed says how a running agent has taken over the configuration of a command. The
// command finds the agent's changes already done.
type Followed struct {
	Now   bool     `json:"now"`   // taken over for this command; false if the agent had it before
	Taken []string `json:"taken"` // everything that the agent removed, as of [TakenAway]
}

// Follow makes a running agent take over the configuration that a command is to apply.
// A NotFollowedError means that it does not, a SilentAgentError that this is not known.
// Follow returns nil if there is no agent, and in a dry run if the agent would follow.
func Follow(ctx context.Context, cfg config.Config, how Following) (*Followed, error) {
	theirs, err := state.AgentConfig(ctx, cfg.RunDir)
	switch {
	case errors.As(err, new(*state.NoAgentError)):
		return nil, nil
	case err != nil:
		return nil, err
	case cfg.Equal(theirs) && !how.Again:
		return &Followed{Taken: []string{}}, nil
	}
	status, err := agentOf(ctx, cfg, how.File)
	if err != nil || status == nil {
		return nil, err
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
	refused, err := reloadGently(ctx, cfg, how.Timeout, how.MayLose)
	// A configuration that was taken over and could not be applied, or not in time, is not refused.
	now, unread := state.AgentConfig(ctx, cfg.RunDir)
	switch {
	case unread != nil:
		return nil, cmp.Or(err, unread)
	case cfg.Equal(now):
		return followed(theirs, cfg), nil
	case err != nil:
		return nil, err
	}
	return nil, &NotFollowedError{Why: refused, File: status.ConfigFile}
}

func followed(before, now config.Config) *Followed {
	return &Followed{Now: true, Taken: append([]string{}, TakenAway(before, now)...)}
}

// agentOf returns the status of the agent that reads this file, or nil if there is no agent. A
// NotFollowedError means that the agent reads another file. file may be "".
func agentOf(ctx context.Context, cfg config.Config, file string) (*state.AgentStatus, error) {
	status, err := state.AskStatus(ctx, cfg)
	if err == nil && status != nil && file != "" && !SameFile(file, status.ConfigFile) {
		return nil, &NotFollowedError{File: status.ConfigFile}
	}
	return status, err
}

// SameFile reports whether two names are those of one file, also through links.
func SameFile(a, b string) bool { return resolved(a) == resolved(b) }

func resolved(file string) string {
	if abs, err := filepath.Abs(file); err == nil {
		file = abs
	}
	if real, err := filepath.EvalSymlinks(file); err == nil {
		return real
	}
	return file
}

// reloadGently makes the agent reload its file. The agent refuses one that takes away
// more than may allows.
func reloadGently(ctx context.Context, cfg config.Config, wait time.Duration, may state.MayLose) (refused *problem.Problem, err error) {
	path := state.ReloadPath
	if value := state.Gentle[may]; value != "" {
		path += "?" + url.Values{state.Gently: {value}}.Encode()
	}
	err = state.Ask(ctx, cfg, wait, http.MethodPost, path, &refused)
	return refused, err
}

// ReloadAgent makes the agent reload the file, from which cfg was read, and returns when that
// is applied. Followed is nil if the agent has not taken it over; otherwise the error is why it
// could not be applied. An agent that reads another file reloads that one, and the error is a
// NotFollowedError if cfg is not in force then.
func ReloadAgent(ctx context.Context, cfg config.Config, file string, wait time.Duration) (*Followed, error) {
	before, unknown := state.AgentConfig(ctx, cfg.RunDir)
	var other *NotFollowedError
	if _, err := agentOf(ctx, cfg, file); !errors.As(err, &other) {
		other = nil
	}
	refused, err := reloadGently(ctx, cfg, wait, state.LoseAny)
	if err == nil && refused != nil {
		err = refused.Err()
	}
	now, unread := state.AgentConfig(ctx, cfg.RunDir)
	switch {
	case err != nil && (unread != nil || !cfg.Equal(now)):
		return nil, err
	case other != nil && unread == nil && !cfg.Equal(now):
		return followed(before, now), other
	case cmp.Or(unknown, unread) != nil:
		return &Followed{Now: true, Taken: []string{}}, err
	}
	return followed(before, now), err
}

// TakesAway returns everything that a configuration would remove from a running
// agent's, such as "192.0.2.7 of allow".
func TakesAway(ctx context.Context, cfg config.Config) []string {
	theirs, err := state.AgentConfig(ctx, cfg.RunDir)
	if err != nil {
		return nil
	}
	return TakenAway(theirs, cfg)
}
