package allowlist

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/checksum"
	"github.com/voipbl/voipbl/internal/deadline"
)

// File is the list as JSON.
type File struct {
	content
	Sum string `json:"sum"` // checksum of the rest: a digit changed by a bad disk would be another address
}

type content struct {
	Serial  int64          `json:"serial"`
	Written deadline.Clock `json:"written"`
	Partial bool           `json:"partial,omitempty"`
	Allowed []line         `json:"allowed"`
}

type line struct {
	Host      string          `json:"host"`
	At        time.Time       `json:"at"`
	Reason    string          `json:"reason,omitempty"`
	For       time.Duration   `json:"for,omitempty"` // in nanoseconds
	Ends      *deadline.Clock `json:"ends,omitempty"`
	Addresses []netip.Addr    `json:"addresses,omitempty"`
}

// Encode returns the list as a file.
func (l List) Encode() File {
	f := File{content: content{Serial: l.Serial, Written: l.Written.UTC(), Partial: l.Partial, Allowed: []line{}}}
	for _, e := range l.Entries {
		row := line{Host: e.Host.String(), At: e.At.UTC(), Reason: e.Reason, For: e.For, Addresses: e.Addresses}
		if e.For != 0 {
			row.Ends = new(e.Ends.UTC())
		}
		f.Allowed = append(f.Allowed, row)
	}
	f.Sum = checksum.Of(f.content)
	return f
}

var errSum = errors.New("it is not as it was written")

// Decode returns the list of a file, or an error if the file has changed since it was
// written.
func (f File) Decode() (List, error) {
	if f.Sum != checksum.Of(f.content) {
		return List{}, errSum
	}
	l := List{Serial: f.Serial, Written: f.Written, Partial: f.Partial}
	for i, row := range f.Allowed {
		host, err := config.ParseHost(row.Host)
		if err != nil || row.For < 0 || row.For != 0 && row.Ends == nil {
			return List{}, fmt.Errorf("its entry number %d says nothing", i+1)
		}
		e := Entry{Host: host, At: row.At, Reason: row.Reason, For: row.For, Addresses: row.Addresses}
		if row.Ends != nil {
			e.Ends = *row.Ends
		}
		l.Entries = append(l.Entries, e)
	}
	return l, nil
}
