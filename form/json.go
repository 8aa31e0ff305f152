package form

import (
	"fmt"
	"io"

	"github.com/voipbl/voipbl/config"
)

// maxDepth is how deep JSON may be nested. Published lists have three to six levels.
const maxDepth = 64

// A step is a place on the way to fields of JSON.
type step struct {
	names map[string]*step // the members that lead on
	each  *step            // the elements of an array, if they lead on
	entry bool             // a field that has entries
	path  string           // to here, for messages

	// record is true for a value that is to have an entry of its own: an element of the last
	// array on the way to a field, or a whole value.
	record bool
}

// stepsTo returns the ways to all fields, from a whole value on.
func stepsTo(fields []string) *step {
	root := &step{}
	for _, field := range fields {
		at, record := root, root
		for _, name := range config.FieldSteps(field) {
			if name == "[]" {
				if at.each == nil {
					at.each = &step{path: at.path + "[]"}
				}
				at = at.each
				record = at
				continue
			}
			next := at.names[name]
			if next == nil {
				next = &step{path: name}
				if at.path != "" {
					next.path = at.path + "." + name
				}
				if at.names == nil {
					at.names = make(map[string]*step)
				}
				at.names[name] = next
			}
			at = next
		}
		at.entry, record.record = true, true
	}
	return root
}

// A walk takes the entries out of JSON.
type walk struct {
	tokens
	out     lines
	root    *step
	fields  string
	records int // values that should have an entry
	found   int // entries
	arrays  int // that were on the way to a field, also empty ones

	// metadata is true for a value that describes the list: Spamhaus ends each with
	// {"type":"metadata","timestamp":…}, which has no entry.
	metadata bool
}

// run reads all values, one after another: JSON, or JSON lines.
func (w *walk) run() error {
	for first := true; ; first = false {
		c := w.next()
		if c == 0 && w.r == w.w {
			if first || w.err != io.EOF {
				return w.wrong("a value")
			}
			return nil
		}
		before, arrays := w.found, w.arrays
		w.metadata = false
		if err := w.value(w.root, 0); err != nil {
			return err
		}
		if w.found == before && w.arrays == arrays && !w.root.record && !w.metadata {
			w.out.refused("the JSON has no %s", w.fields)
		}
		if w.out.stopped {
			return errStopped
		}
	}
}

// value reads a value. s is where on the way to fields it is; nil if it is not.
func (w *walk) value(s *step, depth int) (err error) {
	if depth > maxDepth {
		return &brokenError{what: fmt.Sprintf("the JSON is nested deeper than %d levels", maxDepth)}
	}
	found := w.found
	record := s != nil && s.record
	if record {
		w.records++
	}
	switch c := w.next(); c {
	case '{':
		w.odd(s, "an object")
		err = w.object(s, depth)
	case '[':
		w.odd(s, "an array")
		err = w.array(s, depth)
	case '"':
		err = w.textValue(s)
	default:
		err = w.scalarValue(s)
	}
	if record && err == nil && w.found == found && !w.metadata {
		w.found++
		w.out.refused("record %d has no %s", w.records, w.fields)
	}
	return err
}

// odd refuses a value that is where an entry should be.
func (w *walk) odd(s *step, what string) {
	if s != nil && s.entry {
		w.found++
		w.out.refused("record %d: %s is %s", w.records, s.path, what)
	}
}

func (w *walk) object(s *step, depth int) error {
	w.r++
	for first := true; ; first = false {
		c := w.next()
		switch {
		case c == '}' && first:
			w.r++
			return nil
		case c != '"':
			return w.wrong("a name in quotes")
		}
		name, long, err := w.text()
		if err != nil {
			return err
		}
		var to *step
		if s != nil && !long {
			to = s.names[string(name)]
		}
		isType := depth == 0 && to == nil && string(name) == "type"
		if err := w.expect(':'); err != nil {
			return err
		}
		if isType && w.next() == '"' {
			var kind []byte
			kind, _, err = w.text()
			w.metadata = string(kind) == "metadata"
		} else {
			err = w.value(to, depth+1)
		}
		if err != nil {
			return err
		}
		switch w.next() {
		case ',':
			w.r++
		case '}':
			w.r++
			return nil
		default:
			return w.wrong(`"," or "}"`)
		}
	}
}

func (w *walk) array(s *step, depth int) error {
	w.r++
	var to *step
	if s != nil && s.each != nil {
		to = s.each
		w.arrays++
	}
	for first := true; ; first = false {
		if first && w.next() == ']' {
			w.r++
			return nil
		}
		if err := w.value(to, depth+1); err != nil {
			return err
		}
		if w.out.stopped {
			return errStopped
		}
		switch w.next() {
		case ',':
			w.r++
		case ']':
			w.r++
			return nil
		default:
			return w.wrong(`"," or "]"`)
		}
	}
}

func (w *walk) textValue(s *step) error {
	text, long, err := w.text()
	switch {
	case err != nil || s == nil || !s.entry:
	case long:
		w.found++
		w.out.refused("record %d: %s is a long text", w.records, s.path)
	default:
		w.found++
		w.out.entry(text, w.records)
	}
	return err
}

func (w *walk) scalarValue(s *step) error {
	text, err := w.scalar()
	switch {
	case err != nil || s == nil:
	case string(text) == "null" && s.each != nil && !s.entry:
		w.arrays++ // as a program writes an array without elements
	case s.entry && string(text) != "null":
		w.found++
		w.out.refused("record %d: %s is %s", w.records, s.path, text)
	}
	return err
}
