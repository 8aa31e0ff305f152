package document

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/voipbl/voipbl/config"
)

// secretPrefix begins the text of a private key, and tells it from that of a public one.
const secretPrefix = "voipbl-doc-secret:"

// Key is the operator's private key, which signs documents.
type Key struct{ private ed25519.PrivateKey }

// NewKey makes a key.
func NewKey() Key {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	return Key{private}
}

// errKey does not repeat the text, which may be a private key with a typing mistake.
var errKey = errors.New(`no private key for documents: expected one line with ` + secretPrefix + ` and 44 characters, as "voipbl fleet sign --new-key" writes it`)

// ParseKey reads the text of a private key.
func ParseKey(text string) (Key, error) {
	text = strings.TrimSpace(text)
	encoded, ok := strings.CutPrefix(text, secretPrefix)
	seed, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil || len(seed) != ed25519.SeedSize {
		return Key{}, errKey
	}
	k := Key{ed25519.NewKeyFromSeed(seed)}
	if k.Secret() != text { // Go's decoder skips line ends
		return Key{}, errKey
	}
	return k, nil
}

// Secret returns the text of the private key, for its file.
func (k Key) Secret() string {
	return secretPrefix + base64.StdEncoding.EncodeToString(k.private.Seed())
}

// Public returns the public key, for fleet.key of the hosts.
func (k Key) Public() config.DocumentKey {
	return config.DocumentKey(k.private.Public().(ed25519.PublicKey))
}
