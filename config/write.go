package config

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/token"
)

// YAML returns the configuration as a file with every key written, secrets included. Parse reads
// it back to an equal Config.
func (c Config) YAML() []byte {
	w := writer{quoted: make(map[string]bool)}
	raw := c.raw()
	w.mapping(reflect.ValueOf(&raw).Elem(), 0, "")
	return w.text
}

// A writer writes raw values as YAML. The encoder of the parser's module needs 10 KB for a feed,
// most of it to find out whether a text needs quotes, and a file may have hundreds of feeds.
type writer struct {
	text   []byte
	quoted map[string]bool // whether a text seen needs quotes
}

// mapping writes a struct, one key a line. before stands before the first key, instead of its
// indentation, if it is not empty. A key with a nil pointer or slice is not written.
func (w *writer) mapping(v reflect.Value, indent int, before string) {
	for i, key := range keysOf(v.Type()).names {
		value := v.Field(i)
		if kind := value.Kind(); (kind == reflect.Pointer || kind == reflect.Slice) && value.IsNil() {
			continue
		}
		if before == "" {
			w.indent(indent)
		}
		w.text = append(append(append(w.text, before...), key...), ':')
		before = ""
		w.value(value, indent)
	}
}

// value writes the value of a key, and the end of the line.
func (w *writer) value(v reflect.Value, indent int) {
	const step = 2
	switch v.Kind() {
	case reflect.Struct:
		w.text = append(w.text, '\n')
		w.mapping(v, indent+step, "")
	case reflect.Slice:
		if v.Len() == 0 {
			w.text = append(w.text, " []\n"...)
			return
		}
		w.text = append(w.text, '\n')
		for i := range v.Len() {
			w.indent(indent + step)
			if item := v.Index(i).Elem(); item.Kind() == reflect.Struct {
				w.mapping(item, indent+2*step, "- ")
			} else {
				w.text = append(w.text, '-')
				w.scalar(item)
			}
		}
	default:
		w.scalar(v.Elem())
	}
}

// scalar writes a blank, a single value, and the end of the line.
func (w *writer) scalar(v reflect.Value) {
	w.text = append(w.text, ' ')
	switch v.Kind() {
	case reflect.Bool:
		w.text = strconv.AppendBool(w.text, v.Bool())
	case reflect.Int:
		w.text = strconv.AppendInt(w.text, v.Int(), 10)
	default:
		if s := v.String(); w.needsQuotes(s) {
			w.text = strconv.AppendQuote(w.text, s)
		} else {
			w.text = append(w.text, s...)
		}
	}
	w.text = append(w.text, '\n')
}

func (w *writer) indent(n int) {
	for range n {
		w.text = append(w.text, ' ')
	}
}

// needsQuotes reports whether a text would be read as something else without quotes. Names and
// paths mostly do not, and each is another one; the rest repeats itself.
func (w *writer) needsQuotes(s string) bool {
	if isName(s) {
		return false
	}
	quoted, seen := w.quoted[s]
	if !seen {
		quoted = strings.ContainsAny(s, "\r\n") || token.IsNeedQuoted(s)
		w.quoted[s] = quoted
	}
	return quoted
}

// isName reports whether a text begins with a letter or slash, and also has something else than
// letters, but nothing that means anything in YAML. Such a text is no number, time, truth value
// or null.
func isName(s string) bool {
	other := false
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c|0x20 && c|0x20 <= 'z':
		case c == '/', i > 0 && ('0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'):
			other = true
		default:
			return false
		}
	}
	return other
}
