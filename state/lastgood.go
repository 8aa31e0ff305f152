package state

import (
	"fmt"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
)

// goodConfigFile is the configuration that the agent or a sync went by last, in the state folder:
// a mistake in the file must not leave the host open after a boot.
const goodConfigFile = "config"

// goodConfig is the content of that file.
type goodConfig struct {
	At   time.Time `json:"at"` // when it was taken over
	Text string    `json:"text"`
}

// LastGoodConfig is the configuration that the agent last went by, and since when. text
// is that of the file, which has a mistake: it tells where the state folder is, as far
// as it can be told.
func LastGoodConfig(text []byte) (cfg config.Config, since time.Time, err error) {
	store, err := fetch.FindStore(config.StateDir(text))
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

// KeepConfig writes down what the agent goes by now, if that is not written there
// already.
func KeepConfig(cfg config.Config, now time.Time) error {
	text, err := cfg.YAML()
	if err != nil {
		return err
	}
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
