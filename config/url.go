package config

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/voipbl/voipbl/internal/shownurl"
)

// A URL is where a feed comes from. It may hold a secret key, so every way of formatting it
// hides the key. The URL with its key is string(u).
type URL string

// String returns the URL without its key.
func (u URL) String() string { return shownurl.Of(string(u)) }

// GoString hides the key from %#v.
func (u URL) GoString() string { return quote(u.String()) }

// MarshalText hides the key from JSON and the like.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// ID returns a text that differs between URLs, also between keys, and does not reveal
// the key.
func (u URL) ID() string {
	shown := u.String()
	if shown == string(u) {
		return shown
	}
	sum := sha256.Sum256([]byte(u))
	const few = 3 // bytes: enough to see a change, too few to confirm a guessed key
	return shown + " " + hex.EncodeToString(sum[:few])
}

// quoteURL is quote for a text that should be a URL.
func quoteURL(s string) string { return quote(shownurl.Of(s)) }
