// Package checksum tells whether a file of voipbl's is as it was written: a digit that a bad disk has
// changed would be another address.
package checksum

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Of returns the checksum of plain data, by its JSON. It panics for what JSON cannot have.
func Of(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}
