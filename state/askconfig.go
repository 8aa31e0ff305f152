package state

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/voipbl/voipbl/config"
)

// MayLose is how much protection a new configuration may take away before the agent
// refuses it.
type MayLose int

const (
	LoseNothing  MayLose = iota // no protection
	LoseRules                   // the rules that the command is about
	LoseDocument                // the operator's document of the fleet, which the command is about
	LoseAny                     // everything: the admin has asked for a reload
)

// Gently is the query parameter of a reload that the admin has not asked for by name.
const Gently = "gently"

// Gentle has the values of Gently.
var Gentle = map[MayLose]string{LoseNothing: "1", LoseRules: "rules", LoseDocument: "document"}

// ParseMayLose returns what a reload with this query may take away.
func ParseMayLose(query url.Values) MayLose {
	switch {
	case !query.Has(Gently):
		return LoseAny
	case query.Get(Gently) == Gentle[LoseRules]:
		return LoseRules
	case query.Get(Gently) == Gentle[LoseDocument]:
		return LoseDocument
	}
	return LoseNothing
}

// AgentConfig returns the agent's configuration, which differs from the file if the
// agent has refused that. runDir is where the agent's socket is.
func AgentConfig(ctx context.Context, runDir string) (config.Config, error) {
	return agentConfig(ctx, runDir, answerWait)
}

func agentConfig(ctx context.Context, runDir string, wait time.Duration) (config.Config, error) {
	cfg := config.Default()
	cfg.RunDir = runDir
	var text string
	if err := Ask(ctx, cfg, wait, http.MethodGet, ConfigPath, &text); err != nil {
		return config.Config{}, err
	}
	return config.Parse("the agent's configuration", []byte(text))
}

// friendsWait is how long the agent may take to say whom it exempts. Whoever asks is about to ban,
// and has to do so without the agent too.
const friendsWait = 100 * time.Millisecond

// WithAgentsFriends returns a configuration that also exempts whom a running agent exempts: the
// agent may have refused the file since it has lost a friend. The answer of an agent that hangs is
// the configuration that it has kept.
func WithAgentsFriends(ctx context.Context, cfg config.Config) config.Config {
	theirs, err := agentConfig(WithPatience(ctx, nil), cfg.RunDir, friendsWait)
	if errors.As(err, new(*SilentAgentError)) {
		theirs, _, err = lastGood(cfg.StateDir)
	}
	if err != nil || cfg.Equal(theirs) {
		return cfg
	}
	return cfg.WithFriends(theirs)
}

// AgentDiffers reports whether a running agent has another configuration than cfg. If
// so, it will undo changes made by cfg.
func AgentDiffers(ctx context.Context, cfg config.Config) bool {
	theirs, err := AgentConfig(ctx, cfg.RunDir)
	return err == nil && !cfg.Equal(theirs)
}

// Differs is the message if AgentDiffers is true.
const Differs = "the agent has another configuration and will apply it: run \"voipbl reload\""

const LessRemedy = "if that is meant, run \"voipbl reload\""
