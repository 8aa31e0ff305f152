package config

import (
	"encoding/base64"
	"errors"
	"strings"
)

// DocumentKey is the public key with which the operator's document is verified: see package
// fleet/document. The zero key verifies nothing.
type DocumentKey [32]byte

// documentPrefix begins the text of a DocumentKey, so that nobody takes another key for one.
const documentPrefix = "voipbl-doc:"

const documentKeyExample = `expected the key that "voipbl fleet sign --new-key" prints, such as "voipbl-doc:" and 44 characters, or "" for none`

// String returns the key as it is written in the file; "" is the zero key.
func (k DocumentKey) String() string {
	if k == (DocumentKey{}) {
		return ""
	}
	return documentPrefix + base64.StdEncoding.EncodeToString(k[:])
}

// ParseDocumentKey parses a key as the configuration file accepts it.
func ParseDocumentKey(s string) (DocumentKey, error) {
	k, f := parseDocumentKey(s)
	if f != nil {
		return k, errors.New(f.problem + ": " + f.expected)
	}
	return k, nil
}

func parseDocumentKey(s string) (DocumentKey, *fault) {
	if s == "" {
		return DocumentKey{}, nil
	}
	encoded, ok := strings.CutPrefix(s, documentPrefix)
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil || len(key) != len(DocumentKey{}) || DocumentKey(key).String() != s { // Go's decoder skips line ends
		// Not quoted: it may be the private key.
		return DocumentKey{}, faultf(documentKeyExample, "no public key of a document")
	}
	return DocumentKey(key), nil
}
