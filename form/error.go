package form

import "strings"

// A Mismatch is why a body is not read at all: it is of a kind that has to be named in the
// configuration, or cannot be read.
type Mismatch struct {
	Kind   string // with its article: "an HTML page"
	Advice string // what to do with it
}

func (m *Mismatch) Error() string { return "it is " + m.Kind }

// Explain describes the error; see package problem.
func (m *Mismatch) Explain() (reason, what, remedy string) { return "not-a-list", "", m.Advice }

// brokenError is why a body could not be read to its end.
type brokenError struct {
	what                string
	cut, large, damaged bool
}

func (e *brokenError) Error() string { return e.what }

// Explain describes the error; see package problem. The words are those of package fetch.
func (e *brokenError) Explain() (reason, what, remedy string) {
	switch {
	case e.cut:
		return "truncated", "", "look at what the source gives (an error, a cut transfer, a file that is still being written); it is read again at the next fetch"
	case e.large:
		return "too-large", "", "check that the source is a list; if it is, raise limits.max_bytes, or pack it with less memory (\"xz -6\", \"zstd -19\")"
	case e.damaged:
		return "corrupt", "", "nothing, if it is rare: it is read again; otherwise unpack it by hand to see what is wrong"
	}
	return "not-a-list", "", "look at what the source gives, and at the feed's format"
}

// words joins fields for a message.
func words(fields []string) string { return strings.Join(fields, " or ") }
