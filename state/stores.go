package state

import (
	"errors"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
)

// IsDamaged reports whether err is about a damaged file, rather than one that cannot be
// read at the moment.
func IsDamaged(err error) bool { return errors.As(err, new(*fetch.DamagedError)) }

// FindStore opens the state folder for reading. It returns nil if there is none yet.
func FindStore(cfg config.Config) (*fetch.Store, error) {
	store, err := fetch.FindStore(cfg.StateDir)
	if problem.IsAbsent(err) {
		return nil, nil
	}
	return store, err
}

func IsGone(_ ipsetsync.Header, err error) bool { return errors.Is(err, ipsetsync.ErrNotFound) }

// OpenStore opens the state folder for writing, and notes failed writes. Bans, allowed
// hosts and reports track failed writes themselves.
func OpenStore(cfg config.Config) (*fetch.Store, error) {
	store, err := fetch.OpenStore(cfg.StateDir)
	if err == nil {
		store.OnWrite(func(file string, err error) { noteUnwritten(cfg, file, err) })
	}
	return store, err
}
