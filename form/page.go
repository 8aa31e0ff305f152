package form

import (
	"bufio"
	"io"
	"strings"
)

// A Page is what one page of a list says about the others.
type Page struct {
	Next    string // the next one's name; "" if there is none
	Entries bool   // it has an array of entries
}

// PageOf reads a page of a list as JSON. next is the field that names the next page.
func PageOf(in io.Reader, next string, fields []string) (p Page, err error) {
	s := &search{tokens: tokens{in: skipMark(bufio.NewReader(in))}, see: func(path string, text []byte, _ bool) {
		if path == next && !isLast(string(text)) {
			p.Next = string(text)
		}
		for _, f := range fields {
			p.Entries = p.Entries || path == f
		}
	}}
	for first := true; first || s.next() != 0; first = false {
		if err := s.value("", 0); err != nil {
			return Page{}, err
		}
	}
	if s.err != io.EOF {
		return Page{}, s.err
	}
	return p, nil
}

// isLast reports whether a page's name says that there is no next one.
func isLast(name string) bool {
	switch strings.ToLower(name) {
	case "", "none", "null", "false":
		return true
	}
	return false
}
