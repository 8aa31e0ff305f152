// Package secrets keeps the passwords that the PBX and voipbl share, and which user may ask for one, in
// the state folder, which only root can read.
package secrets

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/voipbl/voipbl/fetch"
)

// Secrets are the passwords. They differ, since whoever can take the port for copies of SIP messages
// learns the one for these.
type Secrets struct {
	HEP string `json:"hep"` // of the copies of SIP messages
	AMI string `json:"ami"` // of Asterisk's manager interface

	// RunsAs is the number of the user that ran Asterisk when it was connected; "" is not known. The
	// program of another one is told no password.
	RunsAs string `json:"runs_as,omitempty"`
}

// file is pbx.json in the state folder.
const file = "pbx"

// Path returns the path of the file, for people.
func Path(stateDir string) string { return filepath.Join(stateDir, file+".json") }

// Read returns the passwords, or an error that is fs.ErrNotExist if there are none.
func Read(store *fetch.Store) (s Secrets, err error) {
	err = store.ReadJSON(file, &s)
	if err == nil && (s.HEP == "" || s.AMI == "") {
		err = fs.ErrNotExist
	}
	return s, err
}

// Find is Read of a state folder that may be missing.
func Find(stateDir string) (Secrets, error) {
	store, err := fetch.FindStore(stateDir)
	if err != nil {
		return Secrets{}, err
	}
	defer store.Close()
	return Read(store)
}

// Ensure returns the passwords, and makes them if there are none.
func Ensure(store *fetch.Store) (Secrets, error) {
	s, err := Read(store)
	if err == nil {
		return s, nil
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.As(err, new(*fetch.DamagedError)) {
		return Secrets{}, err
	}
	s = Secrets{HEP: rand.Text(), AMI: rand.Text()}
	return s, store.WriteJSON(file, s)
}

// Found keeps whom Asterisk runs as.
func Found(store *fetch.Store, s Secrets, runsAs string) error {
	if s.RunsAs == runsAs {
		return nil
	}
	s.RunsAs = runsAs
	return store.WriteJSON(file, s)
}

// Remove removes them.
func Remove(store *fetch.Store) error { return store.RemoveJSON(file) }
