package form

import (
	"bytes"
	stdcsv "encoding/csv"
	stdjson "encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/voipbl/voipbl/config"
)

// slowJSON is a slow reader of JSON: whole values by encoding/json, then each field in them. It
// returns the entries in their order, and how many lines are refused.
func slowJSON(body []byte, fields []string) (entries []string, refused int, err error) {
	dec := stdjson.NewDecoder(bytes.NewReader(body))
	for first := true; ; first = false {
		var raw stdjson.RawMessage
		switch err := dec.Decode(&raw); {
		case err == io.EOF && !first:
			return entries, refused, nil
		case err != nil:
			return nil, 0, err
		}
		if rest := body[dec.InputOffset():]; len(rest) > 0 && raw[0] != '{' && raw[0] != '[' && raw[0] != '"' && !bytes.Contains([]byte(" \t\r\n[{\""), rest[:1]) {
			return nil, 0, errAbutting
		}
		s := &slow{values: stdjson.NewDecoder(bytes.NewReader(raw)), fields: fields}
		s.values.UseNumber()
		s.value(nil)
		entries, refused = append(entries, s.entries...), refused+s.refused
		if s.found == 0 && s.arrays == 0 && !s.metadata && !s.isRecord(nil) {
			refused++
		}
	}
}

// errAbutting is for values that only encoding/json takes for several: 00.
var errAbutting = errors.New("no blank between two values")

type slow struct {
	values                 *stdjson.Decoder
	fields                 []string
	entries                []string
	found, refused, arrays int
	metadata               bool
}

// isField and leads say whether steps are those of a field, or begin one.
func (s *slow) isField(steps []string) bool {
	return slices.ContainsFunc(s.fields, func(f string) bool { return slices.Equal(config.FieldSteps(f), steps) })
}

func (s *slow) leads(steps []string) bool {
	return slices.ContainsFunc(s.fields, func(f string) bool {
		all := config.FieldSteps(f)
		return len(all) >= len(steps) && slices.Equal(all[:len(steps)], steps)
	})
}

// isRecord reports whether a value is to have an entry: no array follows on the way to a field.
func (s *slow) isRecord(steps []string) bool {
	if len(steps) > 0 && steps[len(steps)-1] != "[]" {
		return false
	}
	return slices.ContainsFunc(s.fields, func(f string) bool {
		all := config.FieldSteps(f)
		return len(all) >= len(steps) && slices.Equal(all[:len(steps)], steps) && !slices.Contains(all[len(steps):], "[]")
	})
}

func (s *slow) value(steps []string) {
	found := s.found
	defer func() {
		if s.isRecord(steps) && s.found == found && !s.metadata {
			s.found++
			s.refused++
		}
	}()
	odd := func() {
		if s.isField(steps) {
			s.found++
			s.refused++
		}
	}
	token, _ := s.values.Token()
	switch v := token.(type) {
	case stdjson.Delim:
		odd()
		if v == '[' && s.leads(append(slices.Clone(steps), "[]")) {
			s.arrays++
		}
		for s.values.More() {
			if v == '[' {
				s.value(append(slices.Clone(steps), "[]"))
				continue
			}
			name, _ := s.values.Token()
			to := append(slices.Clone(steps), name.(string))
			if name == "[]" {
				to = append(steps, "no field") // a name that no field can have
			}
			if len(steps) == 0 && name == "type" && !s.leads(to) {
				var kind stdjson.RawMessage
				s.values.Decode(&kind)
				if len(kind) > 0 && kind[0] == '"' {
					var text string
					stdjson.Unmarshal(kind, &text)
					s.metadata = text == "metadata"
				}
				continue
			}
			s.value(to)
		}
		s.values.Token()
	case string:
		if !s.isField(steps) {
			return
		}
		s.found++
		text := strings.Trim(v, " \t")
		if text == "" || len(text) > maxShown || strings.Trim(text, "0123456789abcdefABCDEF.:/-") != "" {
			s.refused++
			return
		}
		s.entries = append(s.entries, text)
	case nil:
		if s.leads(append(slices.Clone(steps), "[]")) && !s.isField(steps) {
			s.arrays++
		}
	default:
		odd()
	}
}

// split divides lines into entries and refused ones.
func split(out string) (entries []string, refused int) {
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		if strings.Contains(line, " ") {
			refused++
		} else {
			entries = append(entries, line)
		}
	}
	return entries, refused
}

// FuzzJSON compares the reader with a slow one, whatever pieces the body comes in.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		`{"data":[{"ip":"44.1.0.1","a":[1,-2.5e+3,{}]},{"ip":null}],"type":"x"}`, `["44.1.0.1","\u0034"]`,
		"{\"ip\":\"44.1.0.1\"}\n{\"type\":\"metadata\"}", `null`, `{"a":{"b":[["44.1.0.1"]]}}`, `[{"[]":"44.1.0.1"},"\\\"\n"]`,
	} {
		for i := range fuzzFields {
			f.Add([]byte(seed), byte(i))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, which byte) {
		if !utf8.Valid(body) || bytes.Count(body, []byte("["))+bytes.Count(body, []byte("{")) > maxDepth {
			return // encoding/json mends the one and allows the other
		}
		body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
		fields := fuzzFields[int(which)%len(fuzzFields)]
		want, refused, wantErr := slowJSON(body, fields)
		for _, in := range []io.Reader{bytes.NewReader(body), iotest.OneByteReader(bytes.NewReader(body))} {
			w := &walk{tokens: tokens{in: in}, root: stepsTo(fields), fields: words(fields)}
			var out strings.Builder
			w.out.yield = func(b []byte, _ error) bool { out.Write(b); return true }
			err := w.run()
			w.out.flush()
			if (err == nil) != (wantErr == nil) {
				t.Fatalf("%q: %v, and encoding/json says %v", body, err, wantErr)
			}
			if err != nil {
				continue
			}
			got, no := split(out.String())
			if !slices.Equal(got, want) || no != refused {
				t.Fatalf("%q %q: %q and %d refused, want %q and %d\n%s", body, fields, got, no, want, refused, out.String())
			}
		}
	})
}

var fuzzFields = [][]string{{"ip"}, {"data[].ip"}, {"[]"}, {"[].ip", "[].a"}, {"a.b[][]"}, {"data[].a[]", "data[].ip"}}

// FuzzCSV compares the cells of a row with those of encoding/csv.
func FuzzCSV(f *testing.F) {
	for _, row := range []string{`a,b`, `"a","b ""c"""`, `a,`, `,`, `"a"b`, `a"b`, `"a`, `a;b`} {
		f.Add(row)
	}
	f.Fuzz(func(t *testing.T, row string) {
		if strings.ContainsAny(row, "\r\n") || row == "" {
			return
		}
		std := stdcsv.NewReader(strings.NewReader(row))
		want, wantErr := std.Read()
		tab := &table{separator: ','}
		for i := range len(want) {
			cell, why := tab.cell([]byte(row), i)
			if why != "" || string(cell) != want[i] {
				t.Fatalf("%q, %d: %q, %s; want %q", row, i, cell, why, want[i])
			}
		}
		if _, why := tab.cell([]byte(row), len(want)+len(row)); why == "" || errors.Is(wantErr, stdcsv.ErrQuote) && why != badQuotes {
			t.Fatalf("%q: %s, and encoding/csv says %v", row, why, wantErr)
		}
	})
}

// FuzzLines: whatever the body is, what comes out is limited, and errors have a remedy.
func FuzzLines(f *testing.F) {
	for _, body := range []string{"44.1.0.1\n", `["44.1.0.1"]`, "PK\x03\x04", "\x1f\x8b\x08\x00", "\xfd7zXZ\x00", "\x28\xb5\x2f\xfd"} {
		f.Add([]byte(body), byte(0))
	}
	forms := []config.Form{{}, json("[]"), csv("1", ','), csv("ip", ';')}
	f.Fuzz(func(t *testing.T, body []byte, which byte) {
		file, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		const most = 1 << 16
		l := Source{Form: forms[int(which)%len(forms)], MaxBytes: most, Scratch: func() (File, error) { return file, nil }}.Lines(bytes.NewReader(body))
		defer l.Close()
		out, err := io.ReadAll(l)
		if len(out) > max(most, len(body)) || err != nil && reason(err) == "" {
			t.Fatalf("%d bytes, %v", len(out), err)
		}
	})
}
