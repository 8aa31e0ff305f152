package state

import (
	"context"
	"net/http"
	"net/url"

	"github.com/voipbl/voipbl/config"
)

// MayLose is what a change of the configuration may take away without the agent's
// refusing it.
type MayLose int

const (
	LoseNothing MayLose = iota // that protects
	LoseRules                  // the rules that the command is about, and whom they keep out
	LoseAny                    // all that an admin has asked for by name
)

// Gently is the query of a reload by a command that was not asked for it by name.
const Gently = "gently"

// Gentle are its values.
var Gentle = map[MayLose]string{LoseNothing: "1", LoseRules: "rules"}

// ParseMayLose reads the query of a reload.
func ParseMayLose(query url.Values) MayLose {
	switch {
	case !query.Has(Gently):
		return LoseAny
	case query.Get(Gently) == Gentle[LoseRules]:
		return LoseRules
	}
	return LoseNothing
}

// AgentConfig is the configuration that the agent goes by, which is not what the file
// says if that has a mistake. runDir is where the agent is looked for.
func AgentConfig(ctx context.Context, runDir string) (config.Config, error) {
	cfg := config.Default()
	cfg.RunDir = runDir
	var text string
	if err := Ask(ctx, cfg, answerWait, http.MethodGet, ConfigPath, &text); err != nil {
		return config.Config{}, err
	}
	return config.Parse("the agent's configuration", []byte(text))
}

// AgentDiffers reports whether a running agent goes by another configuration than cfg:
// then it will undo what others do by theirs.
func AgentDiffers(ctx context.Context, cfg config.Config) bool {
	theirs, err := AgentConfig(ctx, cfg.RunDir)
	return err == nil && !cfg.Equal(theirs)
}

// Differs is what to say then.
const Differs = "the agent goes by another configuration, and will put its own in force: run \"voipbl reload\""

const LessRemedy = "if that is meant, run \"voipbl reload\""
