package link

import (
	"encoding/json"
	"errors"
	"io"
)

var errNotHeld = errors.New("it is no list of bans")

// EachHeld calls each with the bans of a [Held] in JSON, one by one: as a whole, tens of thousands of them
// would take several times as much memory as all else that the fleet's process has. After an error, they
// may not be all.
func EachHeld(text io.Reader, each func(Ban)) error {
	d := json.NewDecoder(text)
	for _, want := range []json.Token{json.Delim('{'), "bans", json.Delim('[')} {
		if got, err := d.Token(); err != nil || got != want {
			return errors.Join(errNotHeld, err)
		}
	}
	for d.More() {
		var b Ban
		if err := d.Decode(&b); err != nil {
			return err
		}
		each(b)
	}
	for _, want := range []json.Token{json.Delim(']'), json.Delim('}')} {
		if got, err := d.Token(); err != nil || got != want {
			return errors.Join(errNotHeld, err)
		}
	}
	return nil
}
