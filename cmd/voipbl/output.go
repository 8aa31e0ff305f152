package main

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// columns is how wide a line may be on a terminal.
const columns = 80

// output is where people or programs read. On a terminal it folds long lines
// at spaces; it remembers whether anything was written, and the first error.
type output struct {
	io.Writer
	terminal bool  // it is one, and no file or pipe
	used     bool  // something was written
	failed   error // the first that a write has met
}

func newOutput(w io.Writer) *output {
	f, ok := w.(*os.File)
	return &output{Writer: w, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

func (o *output) Write(p []byte) (int, error) {
	o.used = true
	text := p
	if o.terminal {
		text = fold(p)
	}
	if _, err := o.Writer.Write(text); err != nil {
		if o.failed == nil {
			o.failed = err
		}
		return 0, err
	}
	return len(p), nil
}

// fold breaks lines that are longer than the terminal is wide, and indents what
// follows by four more than the line.
func fold(p []byte) []byte {
	var out bytes.Buffer
	for line := range bytes.Lines(p) {
		indent := strings.Repeat(" ", len(line)-len(bytes.TrimLeft(line, " "))+4)
		for width(line) > columns {
			at := bytes.LastIndexByte(cut(line, columns), ' ')
			if at <= len(indent) { // a word longer than a line: after it, then
				next := bytes.IndexByte(line[len(indent)+1:], ' ')
				if next < 0 {
					break
				}
				at = len(indent) + 1 + next
			}
			out.Write(line[:at])
			out.WriteByte('\n')
			line = append([]byte(indent), line[at+1:]...)
		}
		out.Write(line)
	}
	return out.Bytes()
}

// width counts the characters of a line, without its end and its colours.
func width(line []byte) (n int) {
	line = bytes.TrimRight(line, "\n")
	for i := 0; i < len(line); n++ {
		i += colour(line[i:])
		if i == len(line) {
			break
		}
		_, size := utf8.DecodeRune(line[i:])
		i += size
	}
	return n
}

// cut returns the first n characters, and one more so that a space right after
// them is seen.
func cut(line []byte, n int) []byte {
	i := 0
	for ; n >= 0 && i < len(line); n-- {
		i += colour(line[i:])
		_, size := utf8.DecodeRune(line[i:])
		i += size
	}
	return line[:i]
}

// colour is the length of the colours of paint that text begins with.
func colour(text []byte) (n int) {
	for bytes.HasPrefix(text[n:], []byte("\x1b[")) {
		end := bytes.IndexByte(text[n:], 'm')
		if end < 0 {
			break
		}
		n += end + 1
	}
	return n
}

// clean makes text from outside (file names, certificates, servers) harmless to
// a terminal: what is not printable is shown as Go writes it in quotes.
func clean(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) && utf8.ValidString(s) {
		return s
	}
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// wrap breaks a text between words into lines of at most width bytes, or one word.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
