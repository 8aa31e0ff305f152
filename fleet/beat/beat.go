package beat

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/fleet"
)

// MaxMessage is the most bytes of a heartbeat.
const MaxMessage = 4 << 10

// Bounds of what a heartbeat has, so that it fits into a message with the longest names.
const (
	maxText     = 32 // bytes of a version, or of a word
	maxDigest   = 16
	maxProblems = 24
	maxLists    = 20
	maxName     = 64 // bytes of the name of a list
)

// The largest numbers that a heartbeat has: of counts, on every machine, and of others, which programs that
// read JSON as floating point keep.
const (
	mostCount = 1<<31 - 1
	most      = 1 << 53

	// mostSeconds is the longest time, a hundred years: what is said in words of it must not overflow.
	mostSeconds = 100 * 365 * 24 * 60 * 60
)

// Beat is a heartbeat. Another version may have more fields, and lack some of these.
type Beat struct {
	Version   string          `json:"version"`
	Agent     bool            `json:"agent"`     // the agent answers; else nothing is known of what it protects
	Protected bool            `json:"protected"` // as in status
	Problems  []string        `json:"problems"`  // words: see Words
	Sets      string          `json:"sets"`      // digest of what the sets of the lists hold
	Entries   int             `json:"entries"`   // of these sets
	Lists     map[string]List `json:"lists"`     // by name
	Document  uint64          `json:"document"`  // serial of the operator's document that is in force there; 0: none
	Sequence  uint64          `json:"sequence"`  // of the last message that the host has read
	Bans      int             `json:"bans"`      // of other hosts, in force there
	Repairs   int             `json:"repairs"`   // changes by others that were undone in the last hour, as far as they are remembered
	Uptime    int64           `json:"uptime"`    // seconds since its boot
	Clock     int64           `json:"clock"`     // how far its clock is ahead of the hub's, in seconds
}

// List is the last good copy of a list.
type List struct {
	Digest string `json:"digest,omitempty"`
	Age    int64  `json:"age"` // seconds since it was last known to be current
}

// subjects is what all subjects of heartbeats begin with.
const subjects = "v1.host."

// Subjects is the subject of all heartbeats.
const Subjects = subjects + "*"

// Subject returns the subject of a host's heartbeat.
func Subject(n fleet.Name) string { return subjects + string(n) }

// ParseSubject returns whose heartbeat has a subject.
func ParseSubject(s string) (fleet.Name, bool) {
	name, ok := strings.CutPrefix(s, subjects)
	n, err := fleet.ParseName(name)
	return n, ok && err == nil
}

// Encode returns a heartbeat as a message. Of more lists or problems than there is room for, it has the first
// ones.
func Encode(b Beat) []byte {
	text, err := json.Marshal(b.clean())
	if err != nil {
		panic(err) // strings and numbers
	}
	return text
}

// Decode returns the heartbeat in a message, as it may be shown. What is of another type than it should be
// is left out.
func Decode(text []byte) (Beat, error) {
	if len(text) > MaxMessage {
		return Beat{}, fmt.Errorf("the heartbeat has %d bytes, not at most %d", len(text), MaxMessage)
	}
	var b Beat
	err := json.Unmarshal(text, &b)
	if mistyped := (*json.UnmarshalTypeError)(nil); errors.As(err, &mistyped) && mistyped.Field != "" {
		err = nil
	}
	if err != nil {
		return Beat{}, fmt.Errorf("the heartbeat cannot be read: %w", err)
	}
	return b.clean(), nil
}

// clean returns a heartbeat as it may be sent and shown.
func (b Beat) clean() Beat {
	b.Version, b.Sets = tidy(b.Version, maxText), tidy(b.Sets, maxDigest)
	for _, n := range []*int{&b.Entries, &b.Bans, &b.Repairs} {
		*n = min(max(*n, 0), mostCount)
	}
	for _, n := range []*uint64{&b.Document, &b.Sequence} {
		*n = min(*n, most)
	}
	b.Uptime, b.Clock = min(max(b.Uptime, 0), mostSeconds), min(max(b.Clock, -mostSeconds), mostSeconds)
	problems := []string{}
	for _, p := range b.Problems {
		if isWord(p) && !slices.Contains(problems, p) && len(problems) < maxProblems {
			problems = append(problems, p)
		}
	}
	b.Problems = problems
	lists := make(map[string]List)
	for _, name := range slices.Sorted(maps.Keys(b.Lists)) {
		if l := b.Lists[name]; len(lists) < maxLists {
			lists[tidy(name, maxName)] = List{tidy(l.Digest, maxDigest), min(max(l.Age, 0), mostSeconds)}
		}
	}
	b.Lists = lists
	return b
}

// tidy returns so many bytes of a text at most, all of them printable ASCII, and none that JSON would
// have to write as six.
func tidy(text string, most int) string {
	b := []byte(text[:min(len(text), most)])
	for i, c := range b {
		if c < ' ' || c > '~' || strings.IndexByte(`"\<>&`, c) >= 0 {
			b[i] = '?'
		}
	}
	return string(b)
}

// isWord reports whether a text is like those of Words.
func isWord(text string) bool {
	for _, c := range []byte(text) {
		if (c < 'a' || c > 'z') && c != '-' {
			return false
		}
	}
	return len(text) > 0 && len(text) <= maxText
}

// OldestList is the age in seconds of the list that was not known to be current for longest; false if the
// heartbeat has none.
func (b Beat) OldestList() (age int64, ok bool) {
	for _, l := range b.Lists {
		age, ok = max(age, l.Age), true
	}
	return age, ok
}

// Alike reports whether two heartbeats say the same of what is told at once.
func Alike(a, b Beat) bool {
	return a.Agent == b.Agent && a.Protected == b.Protected && slices.Equal(slices.Sorted(slices.Values(a.Problems)), slices.Sorted(slices.Values(b.Problems)))
}
