package screen

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

// Columns is how wide a line may be on a terminal.
const Columns = 80

// Output is where a command prints. On a terminal it folds long lines at spaces. It remembers
// whether anything was written, and the first error.
type Output struct {
	io.Writer
	Terminal bool  // it is a terminal, not a file or pipe
	used     bool  // something was written
	Failed   error // the first error of a write
}

func newOutput(w io.Writer) *Output {
	f, ok := w.(*os.File)
	return &Output{Writer: w, Terminal: ok && term.IsTerminal(int(f.Fd()))}
}

func (o *Output) Write(p []byte) (int, error) {
	o.used = true
	text := p
	if o.Terminal {
		text = Fold(p)
	}
	if _, err := o.Writer.Write(text); err != nil {
		if o.Failed == nil {
			o.Failed = err
		}
		return 0, err
	}
	return len(p), nil
}

// Fold breaks lines that are longer than the terminal is wide. It indents continuation lines by
// four more than the line, and keeps what is in quotes in one line if it fits: it may be a command to copy.
func Fold(p []byte) []byte {
	var out bytes.Buffer
	for line := range bytes.Lines(p) {
		indent := strings.Repeat(" ", len(line)-len(bytes.TrimLeft(line, " "))+4)
		for Width(line) > Columns {
			at := bytes.LastIndexByte(cut(line, Columns), ' ')
			if at <= len(indent) { // a word longer than a line: break after it
				next := bytes.IndexByte(line[len(indent)+1:], ' ')
				if next < 0 {
					break
				}
				at = len(indent) + 1 + next
			} else if quote := quoted(line, at); quote-1 > len(indent) {
				at = quote - 1
			}
			out.Write(line[:at])
			out.WriteByte('\n')
			line = append([]byte(indent), line[at+1:]...)
		}
		out.Write(line)
	}
	return out.Bytes()
}

// quoted returns where the quotes begin that a break at a space would cut in two; 0 if it would not, or if they
// do not begin a word, or do not fit in a line.
func quoted(line []byte, at int) int {
	if bytes.Count(line[:at], []byte{'"'})%2 == 0 {
		return 0
	}
	begin := bytes.LastIndexByte(line[:at], '"')
	long := bytes.IndexByte(line[begin+1:], '"')
	if long < 0 || long > Columns-20 || begin == 0 {
		return 0
	}
	if line[begin-1] == '(' {
		begin--
	}
	if begin == 0 || line[begin-1] != ' ' {
		return 0
	}
	return begin
}

// Width counts the visible characters of a line, without its line end and colours.
func Width(line []byte) (n int) {
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

// cut returns the first n characters and one more, so that a space right after them is included.
func cut(line []byte, n int) []byte {
	i := 0
	for ; n >= 0 && i < len(line); n-- {
		i += colour(line[i:])
		_, size := utf8.DecodeRune(line[i:])
		i += size
	}
	return line[:i]
}

// colour returns the length of the colour sequence that text begins with, or 0.
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

// Clean makes text from outside (file names, certificates, servers) harmless to a terminal: it
// shows unprintable characters as Go's %q does.
func Clean(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) && utf8.ValidString(s) {
		return s
	}
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// Wrap breaks a text between words into lines of at most width bytes, or one word.
func Wrap(text string, width int) []string {
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
