package document

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
)

// Document is what the operator tells all hosts. It is valid if it comes from [New] or [Verify].
type Document struct {
	config.FleetDocument

	// At is when it was signed, by the clock of the machine that signed it. It is only shown.
	At time.Time
}

const (
	// MostAllow and MostTrunks are how many hosts a document may allow: as many as "voipbl allow"
	// takes, and as many trunks as a fleet's providers may have. Every host of the fleet asks for the
	// addresses of each name among them.
	MostAllow  = 1000
	MostTrunks = 200

	// mostShare is which part of all IPv4 addresses a document may allow together: as many as sixteen
	// of the widest networks. More would be no list of friends, but the end of the blocklist.
	mostShare = 1.0 / 16
)

// New returns a document to be signed at a moment, which is also its serial if it has none. The error says
// why hosts would refuse it.
func New(d config.FleetDocument, at time.Time) (Document, error) {
	at = at.UTC().Truncate(time.Second)
	if d.Serial == 0 {
		d.Serial = uint64(max(1, at.Unix()))
	}
	doc := Document{d, at}
	if _, err := doc.body(); err != nil {
		return Document{}, err
	}
	return doc, doc.check()
}

// check returns why a document is refused whose values are right one by one.
func (d Document) check() error {
	if d.Serial == 0 {
		return errors.New("it has no serial")
	}
	if d.Serial > config.MaxDocumentSerial {
		return fmt.Errorf("bad serial (%d): expected at most %d", d.Serial, uint64(config.MaxDocumentSerial))
	}
	for _, list := range []struct {
		name    string
		n, most int
	}{{"allow", len(d.Allow), MostAllow}, {"trunks", len(d.Trunks), MostTrunks}} {
		if list.n > list.most {
			return fmt.Errorf("%s: too many elements (%d): expected at most %d", list.name, list.n, list.most)
		}
	}
	var all cidr.Builder
	for _, h := range slices.Concat(d.Allow, d.Trunks) {
		if h.Name == "" {
			all.Add(cidr.FromNetip(h.Prefix))
		}
	}
	if share := all.Sets().Subtract(cidr.SpecialSpace)[cidr.IPv4].Share(); share > mostShare {
		return fmt.Errorf("allow and trunks: %.1f%% of all IPv4 addresses: expected at most %.1f%%, as this would switch the protection off", share*100, mostShare*100)
	}
	return nil
}

// Newer reports whether a document takes the place of another one, and not of one with the same serial.
func (d Document) Newer(than Document) bool { return d.Serial > than.Serial }

// Wants reports whether the operator asks for a newer version than this one. One that does not begin with
// three numbers is as new as any.
func (d Document) Wants(version string) bool {
	have, known := numbers(version)
	want, asked := numbers(d.MinimumVersion)
	return known && asked && slices.Compare(have[:], want[:]) < 0
}

// numbers returns the three numbers of a version; what follows them, as in "0.9.0-dev", does not count.
func numbers(version string) (n [3]int, ok bool) {
	words := strings.SplitN(version, ".", 3)
	if len(words) != 3 {
		return n, false
	}
	words[2] = words[2][:len(words[2])-len(strings.TrimLeft(words[2], "0123456789"))]
	for i, word := range words {
		var err error
		if n[i], err = strconv.Atoi(word); err != nil {
			return n, false
		}
	}
	return n, true
}
