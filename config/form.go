package config

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// A Form says how a list is written.
type Form struct {
	// Format is FormatLines, FormatJSON, FormatCSV, or empty for FormatAuto. Compression needs no
	// word: it is recognized by its first bytes.
	Format string

	// Fields say where in JSON the entries are, such as "data[].ip". Nil for another format.
	Fields []string

	// Column is the column of CSV that has the entries: its name in the first line, or its
	// number from 1. Empty for another format.
	Column string

	// Separator stands between the columns of CSV: ',', ';', '|' or a tab. 0 for another
	// format.
	Separator byte
}

// The words for Form.Format.
const (
	FormatAuto  = "auto"  // lines, or a JSON array of addresses; anything else is refused
	FormatLines = "lines" // an entry a line
	FormatJSON  = "json"  // one value, or one a line
	FormatCSV   = "csv"
)

// separators are the words for the separators of CSV.
var separators = []struct {
	word string
	char byte
}{{"comma", ','}, {"semicolon", ';'}, {"tab", '\t'}, {"bar", '|'}}

const (
	fieldExample     = `expected names with dots between them, and [] for each element of an array, such as "data[].ip"; several with commas between them`
	columnExample    = `expected a name from the first line, or a number from 1, such as 2`
	separatorExample = "expected comma, semicolon, tab or bar"

	maxColumn = 1000 // of numbered columns
	maxFields = 16
)

// form checks the keys that say how a feed's list is written.
func (r *reader) form(key string, raw *rawFeed) Form {
	var f Form
	read(r, key+".format", raw.Format, &f.Format, oneOf(FormatAuto, FormatLines, FormatJSON, FormatCSV))
	if f.Format == FormatAuto {
		f.Format = ""
	}
	belongs := func(name, format string, needed bool, example string) {
		switch written := r.written(key + "." + name); {
		case written && f.Format != format:
			r.fail(key+"."+name, faultf("expected it beside \"format: "+format+"\"", "only a list in that format has this key"))
		case needed && !written && f.Format == format:
			r.fail(key+".format", faultf("expected \""+name+": "+example+"\" beside it", "format %s without %s", format, name))
		}
	}
	belongs("field", FormatJSON, true, "data[].ip")
	belongs("column", FormatCSV, true, "ip")
	belongs("separator", FormatCSV, false, "")
	read(r, key+".field", raw.Field, &f.Fields, parseFields)
	read(r, key+".column", raw.Column, &f.Column, parseColumn)
	if f.Format == FormatCSV {
		f.Separator = ','
		read(r, key+".separator", raw.Separator, &f.Separator, parseSeparator)
	}
	return f
}

// raw writes the form into a feed's keys.
func (f Form) raw(to *rawFeed) {
	to.Format = new(cmp.Or(f.Format, FormatAuto))
	if len(f.Fields) > 0 {
		to.Field = new(strings.Join(f.Fields, ", "))
	}
	if f.Format == FormatCSV {
		to.Column, to.Separator = &f.Column, new(formatSeparator(f.Separator))
	}
}

// ID is another text for another form, and empty for FormatAuto.
func (f Form) ID() string {
	if f.Format == "" {
		return ""
	}
	words := []string{f.Format}
	if len(f.Fields) > 0 {
		words = append(words, strings.Join(f.Fields, ","))
	}
	if f.Format == FormatCSV {
		words = append(words, formatSeparator(f.Separator), f.Column)
	}
	return strings.Join(words, " ")
}

// FieldSteps are the steps to a field: names, and "[]" for each element of an array.
func FieldSteps(field string) (steps []string) {
	for _, part := range strings.Split(field, ".") {
		name, brackets := strings.TrimRight(part, "[]"), 0
		for range strings.Count(part[len(name):], "[]") {
			brackets++
		}
		if name != "" {
			steps = append(steps, name)
		}
		steps = append(steps, slices.Repeat([]string{"[]"}, brackets)...)
	}
	return steps
}

// parseFields parses fields with commas between them.
func parseFields(s string) (fields []string, _ *fault) {
	for _, field := range strings.Split(s, ",") {
		field = strings.TrimSpace(field)
		for i, part := range strings.Split(field, ".") {
			name := strings.TrimRight(part, "[]")
			brackets := part[len(name):]
			if part == "" || name == "" && i > 0 || strings.ContainsAny(name, "[] \t\"'$") ||
				strings.ReplaceAll(brackets, "[]", "") != "" || len(brackets) > 8 {
				return nil, faultf(fieldExample, "bad field (%s)", quote(field))
			}
		}
		if slices.Contains(fields, field) {
			return nil, faultf("expected it once", "field %s is written twice", quote(field))
		}
		fields = append(fields, field)
	}
	if len(fields) > maxFields {
		return nil, faultf("expected fewer", "more than %d fields", maxFields)
	}
	return fields, nil
}

func parseColumn(s string) (string, *fault) {
	n, err := strconv.Atoi(s)
	if numbered := err == nil; s == "" || numbered && (n < 1 || n > maxColumn) || strings.ContainsAny(s, "\r\n") {
		return "", faultf(columnExample, "bad column (%s)", quote(s))
	}
	return s, nil
}

func parseSeparator(s string) (byte, *fault) {
	for _, sep := range separators {
		if s == sep.word || s == string(sep.char) {
			return sep.char, nil
		}
	}
	return 0, faultf(separatorExample, "bad separator (%s)", quote(s))
}

func formatSeparator(c byte) string {
	for _, sep := range separators {
		if c == sep.char {
			return sep.word
		}
	}
	return ""
}
