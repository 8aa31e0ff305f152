package agent

import (
	"log/slog"
	"os"

	"github.com/voipbl/voipbl/config"
)

// RunOptions are the options of Run.
type RunOptions struct {
	Version    string
	ConfigFile string
	Load       func() (config.Config, error) // loads the configuration
	LastGood   func() (config.Config, error) // loads the one to start with if Load fails
	Reload     <-chan os.Signal              // signals to reload
	Log        *slog.Logger
}
