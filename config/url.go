package config

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/voipbl/voipbl/internal/shownurl"
)

// A URL is where a feed comes from. Lists are sold with a key in it, so that as text, however it
// is formatted, it has none: what is sent is string(u).
type URL string

// String is the URL as it may be shown to anybody.
func (u URL) String() string { return shownurl.Of(string(u)) }

// GoString is for %#v.
func (u URL) GoString() string { return quote(u.String()) }

// MarshalText is for JSON and the like.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// ID tells a URL from others, with another key too, and does not give the key away.
func (u URL) ID() string {
	shown := u.String()
	if shown == string(u) {
		return shown
	}
	sum := sha256.Sum256([]byte(u))
	const few = 3 // bytes: enough to see a change, too few to tell a key that was guessed
	return shown + " " + hex.EncodeToString(sum[:few])
}

// quoteURL is quote for what should be a URL.
func quoteURL(s string) string { return quote(shownurl.Of(s)) }
