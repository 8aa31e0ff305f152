package link

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/voipbl/voipbl/config"
)

// List is what is known of the copy of a list from the network: what has been fetched, and how old the
// word of its source is. It has ages, never times of day.
type List struct {
	Key     string        `json:"key"`               // [ListKey] of its URL
	SHA256  string        `json:"sha256"`            // of the list as it was fetched, in hexadecimal
	Bytes   int64         `json:"bytes"`             // of it, before compression
	Entries int           `json:"entries"`           // those that were read
	Age     time.Duration `json:"age"`               // since the source said that this is its list
	Failing bool          `json:"failing,omitempty"` // the source has not answered since
}

// Offer is a list as a mirror of the fleet offers it.
type Offer struct {
	List
	From string        `json:"from"` // the mirror
	Said time.Duration `json:"said"` // since the mirror has said so; Age is as of now
}

// ListsQuestion asks for [ListsAsked].
type ListsQuestion struct {
	Mirror bool `json:"mirror,omitempty"` // this host is a mirror, so Mine is asked for, too
}

// ListQuestion asks for a list of this host's own.
type ListQuestion struct {
	Key    string `json:"key"`
	SHA256 string `json:"sha256"`
}

// ListsAsked is what the agent says of lists.
type ListsAsked struct {
	Serial uint64   `json:"serial"`           // another one after each change
	Keys   []string `json:"keys,omitempty"`   // the lists that this host uses; none: it takes no copies of others
	Copies []string `json:"copies,omitempty"` // of these, the offered copies are to be brought now: SHA-256

	// Mine are the lists that this host has fetched, for which it may be the mirror.
	Mine []List `json:"mine,omitempty"`
}

// Offers are what the hub has of the lists that the agent asks for.
type Offers struct {
	Mirror bool    `json:"mirror,omitempty"` // this host is a mirror itself, and fetches as it would without a fleet
	Offers []Offer `json:"offers"`
}

const (
	// MostLists is how many lists of one host go by the fleet, the first ones of its configuration.
	MostLists = 64

	// MaxCopy is the most bytes of a compressed list that goes by the fleet: about two million entries.
	// With what the hub's server adds, a message stays below the 8 MB that NATS recommends at most.
	MaxCopy = 8<<20 - 64<<10
)

// keyLength is that of a list's key: 128 bits, so that nobody finds another URL with the same one.
const keyLength = 16

// ListKey is what a list from the network is known by in the fleet: its URL, so that hosts which call two
// lists by one name never mix them. It is "" for a URL with a secret in it: its list is paid for, or not
// for everybody, and all hosts of a fleet can read what is at the hub.
func ListKey(u config.URL) string {
	if u == "" || u.String() != string(u) {
		return ""
	}
	sum := sha256.Sum256([]byte(u))
	return hex.EncodeToString(sum[:keyLength])
}

// KeyOf is the list's key of a feed. It is "" for a feed whose server is told who asks, too. Another
// form is another list: what is copied are the lines that were read.
func KeyOf(f config.Feed) string {
	key := ListKey(f.URL)
	if key == "" || f.Access.Asks() {
		return ""
	}
	if form := f.Form.ID(); form != "" {
		sum := sha256.Sum256([]byte(string(f.URL) + " " + form))
		key = hex.EncodeToString(sum[:keyLength])
	}
	return key
}

// IsListKey reports whether a text can be a list's key.
func IsListKey(s string) bool { return isHex(s, keyLength) }

// IsSum reports whether a text can be a SHA-256.
func IsSum(s string) bool { return isHex(s, sha256.Size) }

func isHex(s string, length int) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == length && s == hex.EncodeToString(b)
}
