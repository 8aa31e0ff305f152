package document

import (
	"fmt"
	"slices"

	"github.com/voipbl/voipbl/config"
)

// Change is what differs in one list of two documents.
type Change struct {
	List    string   `json:"list"`
	Added   []string `json:"added,omitempty"`
	Removed []string `json:"removed,omitempty"`
}

// String returns the change for people, such as `allow: + 203.0.113.10, - 198.51.100.0/24`.
func (c Change) String() string {
	text, sep := c.List+":", " "
	for _, side := range []struct {
		sign  string
		words []string
	}{{"+", c.Added}, {"-", c.Removed}} {
		for _, word := range side.words {
			text += fmt.Sprintf("%s%s %s", sep, side.sign, word)
			sep = ", "
		}
	}
	return text
}

// Changes returns what a document says that an older one does not, and the other way round.
func Changes(old, next config.FleetDocument) []Change {
	var all []Change
	one := func(s string) []string {
		if s == "" {
			return nil
		}
		return []string{s}
	}
	for _, list := range []struct {
		name      string
		old, next []string
	}{
		{"allow", Texts(old.Allow), Texts(next.Allow)},
		{"trunks", Texts(old.Trunks), Texts(next.Trunks)},
		{"trust", old.Trust, next.Trust},
		{"hosts", old.Hosts, next.Hosts},
		{"revoked", old.Revoked, next.Revoked},
		{"minimum_version", one(old.MinimumVersion), one(next.MinimumVersion)},
	} {
		c := Change{list.name, without(list.next, list.old), without(list.old, list.next)}
		if len(c.Added)+len(c.Removed) > 0 {
			all = append(all, c)
		}
	}
	return all
}

// without returns the texts that are not among others.
func without(texts, others []string) []string {
	return slices.DeleteFunc(slices.Clone(texts), func(s string) bool { return slices.Contains(others, s) })
}
