package state

import (
	"fmt"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
)

// goodConfigFile, in the state folder, is the last configuration that the agent or a sync has
// applied: a mistake in the admin's file must not leave the host unprotected after a boot.
const goodConfigFile = "config"

// goodConfig is the content of that file.
type goodConfig struct {
	At   time.Time `json:"at"` // when it was first applied
	Text string    `json:"text"`
}

// LastGoodConfig returns the last good configuration, and since when it was used. text
// is the admin's file, which has a mistake; the state folder is read from it as far as
// possible.
func LastGoodConfig(text []byte) (cfg config.Config, since time.Time, err error) {
	return lastGood(config.StateDir(text))
}

func lastGood(stateDir string) (cfg config.Config, since time.Time, err error) {
	store, err := fetch.FindStore(stateDir)
	if err != nil {
		return cfg, since, err
	}
	defer store.Close()
	var good goodConfig
	if err := store.ReadJSON(goodConfigFile, &good); err != nil {
		return cfg, since, err
	}
	cfg, err = config.Parse("the last good configuration", []byte(good.Text))
	return cfg, good.At, err
}

// KeepConfig writes the current configuration to goodConfigFile, if it is not there
// already.
func KeepConfig(cfg config.Config, now time.Time) error {
	text := cfg.YAML()
	store, err := OpenStore(cfg)
	if err != nil {
		return err
	}
	defer store.Close()
	var good goodConfig
	if store.ReadJSON(goodConfigFile, &good) == nil && good.Text == string(text) {
		return nil
	}
	if err := store.WriteJSON(goodConfigFile, goodConfig{now.UTC().Truncate(time.Second), string(text)}); err != nil {
		return fmt.Errorf("the configuration is not kept, so a mistake in it would leave the host open after a boot: %w", err)
	}
	return nil
}
