package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/voipbl/voipbl/internal/shownurl"
)

const (
	// maxErrors is how many errors Parse reports: about a screenful.
	maxErrors = 50

	// maxQuote is how many characters of a value an error repeats.
	maxQuote = 64
)

// An Error is one thing wrong in the text of a configuration.
type Error struct {
	File         string // as given to Parse
	Line, Column int    // counted from 1; the column in characters
	Key          string // the key's path, such as "feeds[0].url"; empty for the file as a whole
	Problem      string // what is wrong, with the value as written
	Expected     string // what would be right, with an example
	Missing      bool   // a key that is needed here is not written
}

// Error returns "FILE:LINE:COLUMN: key: problem: what was expected".
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File + ":")
	}
	fmt.Fprintf(&b, "%d:%d: ", e.Line, e.Column)
	if e.Key != "" {
		b.WriteString(e.Key + ": ")
	}
	b.WriteString(e.Problem + ": " + e.Expected)
	return b.String()
}

// A fault is an Error without its place. The parsers of single values return it; the reader
// that called them adds file, place and key.
type fault struct {
	problem, expected string
	missing           bool
}

// faultf returns a fault with a formatted problem, and what was expected instead.
func faultf(expected, format string, args ...any) *fault {
	return &fault{problem: fmt.Sprintf(format, args...), expected: expected}
}

// A place is a position in the text, counted from 1.
type place struct{ line, column int }

// A reader records the place of each key and all errors while the text becomes a Config.
type reader struct {
	file   string
	places map[string]place // of each value written, by the key's path
	errs   []*Error
}

func newReader(file string) *reader {
	return &reader{file: file, places: make(map[string]place)}
}

// written reports whether a key is in the text, with a good or a bad value.
func (r *reader) written(key string) bool {
	_, ok := r.places[key]
	return ok
}

// fail records that a key's value is wrong. A key that is not written is reported at the
// place of its parent.
func (r *reader) fail(key string, f *fault) {
	at, ok := r.places[key]
	for parent := key; !ok && parent != ""; at, ok = r.places[parent] {
		parent = parent[:max(0, strings.LastIndexAny(parent, ".["))]
	}
	r.failAt(at, key, f)
}

// failAt records that something is wrong at a place.
func (r *reader) failAt(at place, key string, f *fault) {
	r.errs = append(r.errs, &Error{
		File:     r.file,
		Line:     max(1, at.line),
		Column:   max(1, at.column),
		Key:      key,
		Problem:  f.problem,
		Expected: f.expected,
		Missing:  f.missing,
	})
}

// err joins the first maxErrors errors, in the order of the text.
func (r *reader) err() error {
	slices.SortStableFunc(r.errs, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if more := len(r.errs) - maxErrors; more > 0 {
		e := r.errs[maxErrors]
		e.Key = ""
		e.Problem = fmt.Sprintf("and %d more errors from here on", more)
		e.Expected = "correct the ones above first"
		r.errs = r.errs[:maxErrors+1]
	}
	errs := make([]error, 0, len(r.errs))
	for _, e := range r.errs {
		errs = append(errs, e)
	}
	return errors.Join(errs...)
}

// quote returns a value for an error: quoted, without control characters, cut short, and
// without the keys of anything that looks like a URL.
func quote(s string) string {
	if strings.Contains(s, "://") {
		s = shownurl.Of(s)
	}
	return strconv.Quote(shorten(s))
}

// shorten cuts a text to maxQuote characters.
func shorten(s string) string {
	n := 0
	for i := range s {
		if n++; n > maxQuote {
			return s[:i] + "…"
		}
	}
	return s
}
