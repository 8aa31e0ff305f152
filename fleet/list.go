package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/voipbl/voipbl/fleet/link"
)

// MaxManifest is the most bytes of what a mirror says of a list.
const MaxManifest = 1 << 10

const (
	listPrefix = "v1.list."
	copyPrefix = "v1.copy."
)

// ListSubject is where a mirror says how a list is, and CopySubject where it puts the list, compressed.
func ListSubject(key string) string { return listPrefix + key }

// CopySubject is where a mirror puts a list: see [ListSubject].
func CopySubject(key string) string { return copyPrefix + key }

// manifest is what a mirror says of a list, with the age in seconds, as of when it says so.
type manifest struct {
	From    string `json:"from"`
	SHA256  string `json:"sha256"`
	Bytes   int64  `json:"bytes"`
	Entries int    `json:"entries"`
	Age     int64  `json:"age"`
	Failing bool   `json:"failing,omitempty"`
}

// EncodeList returns the message that says how a list is.
func EncodeList(from Name, l link.List) []byte {
	return mustMarshal(manifest{From: from.String(), SHA256: l.SHA256, Bytes: l.Bytes, Entries: l.Entries, Age: seconds(max(0, l.Age)), Failing: l.Failing})
}

// ListFrom is the mirror by whose name a message says how a list is; "" if nobody understands it. The hub does not
// tie that name to a key: a mirror can use that of another one.
func ListFrom(text []byte) string {
	var m manifest
	if json.Unmarshal(text, &m) != nil {
		return ""
	}
	return m.From
}

// DecodeList returns what a message says of the list of that subject, said so long ago. An error means
// that it says nothing.
func DecodeList(subject string, text []byte, said time.Duration) (o link.Offer, err error) {
	key := strings.TrimPrefix(subject, listPrefix)
	if len(text) > MaxManifest {
		return o, fmt.Errorf("it has %d bytes, not at most %d", len(text), MaxManifest)
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return o, err
	}
	from, err := ParseName(m.From)
	switch {
	case err != nil:
		return o, err
	case !link.IsListKey(key), !link.IsSum(m.SHA256):
		return o, fmt.Errorf("%.80q is no list's key, or %.80q no SHA-256", key, m.SHA256)
	case m.Bytes < 0, m.Entries < 0, m.Age < 0:
		return o, errors.New("a number is below zero")
	}
	said = max(0, said)
	return link.Offer{From: from.String(), Said: said, List: link.List{
		Key: key, SHA256: m.SHA256, Bytes: m.Bytes, Entries: m.Entries, Age: duration(m.Age) + said, Failing: m.Failing,
	}}, nil
}

// News reports whether a mirror has to say how a list is, given what the hub has of it; nil: nothing. The
// latest word of the list's source counts, whoever has it: mirrors of one list do not talk against each
// other. A mirror whose source does not answer repeats that.
func News(self Name, mine link.List, hub *link.Offer) bool {
	switch {
	case hub == nil:
		return true
	case mine.Age+listSlack < hub.Age:
		return true // my word is newer
	case hub.Age+listSlack < mine.Age:
		return false
	case hub.From != self.String():
		return hub.Failing && !mine.Failing
	}
	return hub.SHA256 != mine.SHA256 || hub.Failing != mine.Failing || mine.Failing && hub.Said >= ListBeat
}

const (
	// listSlack is by how much two ages of the same word differ: they are rounded, and travel.
	listSlack = 5 * time.Second

	// ListBeat is how often a mirror whose source does not answer says so again: by that, others tell it
	// from one that is gone.
	ListBeat = 10 * time.Minute
)
