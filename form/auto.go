package form

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/filekind"
)

// headSize is how much of a body its form is decided by, in bytes: the kind of file by the first 512,
// and where the addresses of JSON are by a few records.
const headSize = 4 << 10

// sure returns the form of a body, if no other is possible: an array of addresses as JSON, or
// lines. Other JSON is refused with what to write.
func sure(kind filekind.Kind, head []byte) (config.Form, error) {
	if kind.Name != filekind.JSON {
		return config.Form{Format: config.FormatLines}, nil
	}
	fields := fieldsIn(head)
	if len(fields) == 1 && fields[0] == "[]" {
		return config.Form{Format: config.FormatJSON, Fields: fields}, nil
	}
	advice := "write \"format: json\" into the feed, and \"field:\" with the place of the addresses, such as data[].ip"
	if len(fields) > 0 {
		advice = fmt.Sprintf("write \"format: json\" and \"field: %s\" into the feed", fields[0])
		if len(fields) > 1 {
			advice += "; addresses are also at " + strings.Join(fields[1:], ", ")
		}
	}
	return config.Form{}, &Mismatch{filekind.JSON, advice}
}

// fieldsIn returns the places in JSON that have addresses or prefixes, the most frequent first.
func fieldsIn(head []byte) []string {
	var found []string
	count := make(map[string]int)
	s := &search{tokens: tokens{in: bytes.NewReader(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")))}, see: func(path string, text []byte, quoted bool) {
		if quoted && path != "" && isEntry(text) {
			if count[path]++; count[path] == 1 {
				found = append(found, path)
			}
		}
	}}
	for s.value("", 0) == nil && s.next() != 0 {
	}
	slices.SortStableFunc(found, func(a, b string) int { return count[b] - count[a] })
	const most = 5
	return found[:min(len(found), most)]
}

// A search shows all texts and scalars of JSON with the fields that they stand in.
type search struct {
	tokens
	see func(path string, text []byte, quoted bool)
}

var errDeep = errors.New("nested too deep")

func (s *search) value(path string, depth int) error {
	if depth > maxDepth || len(path) > maxToken {
		return errDeep
	}
	switch s.next() {
	case '{':
		return s.members('}', func() error {
			name, _, err := s.text()
			if err != nil {
				return err
			}
			at := string(name)
			if path != "" {
				at = path + "." + at
			}
			if err := s.expect(':'); err != nil {
				return err
			}
			return s.value(at, depth+1)
		})
	case '[':
		return s.members(']', func() error { return s.value(path+"[]", depth+1) })
	case '"':
		text, long, err := s.text()
		if err == nil && !long {
			s.see(path, text, true)
		}
		return err
	}
	text, err := s.scalar()
	if err == nil {
		s.see(path, text, false)
	}
	return err
}

// members reads what stands between brackets, of which the first is next.
func (s *search) members(end byte, member func() error) error {
	s.r++
	for first := true; ; first = false {
		switch c := s.next(); {
		case c == 0:
			return io.ErrUnexpectedEOF
		case first && c == end:
			s.r++
			return nil
		case end == '}' && c != '"':
			return s.wrong("a name")
		}
		if err := member(); err != nil {
			return err
		}
		switch s.next() {
		case ',':
			s.r++
		case end:
			s.r++
			return nil
		default:
			return s.wrong("a comma")
		}
	}
}

// isEntry reports whether a text is an address or a prefix.
func isEntry(text []byte) bool {
	for _, c := range text {
		if !inEntry[c] {
			return false
		}
	}
	_, err := cidr.ParsePrefix(string(text))
	return err == nil
}
