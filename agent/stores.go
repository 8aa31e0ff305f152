package agent

import (
	"errors"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/ipsetsync"
)

// isDamaged tells a file that cannot be understood from one that cannot be read just now.
func isDamaged(err error) bool { return errors.As(err, new(*fetch.DamagedError)) }

// findStore opens the state folder to read from, and returns nil if there is
// none yet.
func findStore(cfg config.Config) (*fetch.Store, error) {
	store, err := fetch.FindStore(cfg.StateDir)
	if isAbsent(err) {
		return nil, nil
	}
	return store, err
}

func isGone(_ ipsetsync.Header, err error) bool { return errors.Is(err, ipsetsync.ErrNotFound) }

// openState opens the state folder for writing, so that what cannot be written there is
// noted. Bans, allowed hosts and reports keep account of that themselves.
func openState(cfg config.Config) (*fetch.Store, error) {
	store, err := fetch.OpenStore(cfg.StateDir)
	if err == nil {
		store.OnWrite(func(file string, err error) { noteUnwritten(cfg, file, err) })
	}
	return store, err
}
