package known

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/voipbl/voipbl/internal/checksum"
	"github.com/voipbl/voipbl/internal/deadline"
)

// file is the list as JSON.
type file struct {
	content
	Sum string `json:"sum"` // checksum of the rest: a digit changed by a bad disk would be another address
}

type content struct {
	Serial  int64          `json:"serial"`
	Written deadline.Clock `json:"written"`
	Phones  []line         `json:"phones"`
}

type line struct {
	Addr      netip.Addr    `json:"addr"`
	Account   string        `json:"account"`
	Transport string        `json:"transport"`
	Since     time.Time     `json:"since"`
	Left      time.Duration `json:"left"` // in nanoseconds
}

// encode returns the list as a file.
func (l List) encode() file {
	f := file{content: content{Serial: l.Serial, Written: l.Written.UTC(), Phones: []line{}}}
	for _, p := range l.Phones {
		f.Phones = append(f.Phones, line(p))
	}
	f.Sum = checksum.Of(f.content)
	return f
}

var errSum = errors.New("it is not as it was written")

// decode returns the list of a file, or an error if the file has changed since it was written.
func (f file) decode() (List, error) {
	if f.Sum != checksum.Of(f.content) {
		return List{}, errSum
	}
	l := List{Serial: f.Serial, Written: f.Written}
	for i, row := range f.Phones {
		p := Phone(row)
		if !p.Addr.IsValid() || p.Account == "" || i > 0 && compare(l.Phones[i-1], p) >= 0 {
			return List{}, fmt.Errorf("its phone number %d says nothing", i+1)
		}
		l.Phones = append(l.Phones, p)
	}
	return l, nil
}
