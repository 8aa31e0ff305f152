package screen

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/voipbl/voipbl/internal/problem"
	"golang.org/x/term"
)

// Screen is where a command prints: for a person, or as JSON for a program.
type Screen struct {
	Out, Err *Output
	JSON     bool // print for a program
}

// New returns a screen that prints to these two.
func New(out, err io.Writer) *Screen { return &Screen{Out: newOutput(out), Err: newOutput(err)} }

// Warnings prints warnings, which may have text of others in them.
func (on *Screen) Warnings(warnings []string) {
	for _, w := range warnings {
		fmt.Fprintln(on.Err, "voipbl: "+Clean(w))
	}
}

// Paint colours a word on a terminal. Colour never carries meaning that the word lacks.
func (on *Screen) Paint(word string, colour int) string {
	if !on.Out.Terminal || os.Getenv("NO_COLOR") != "" {
		return word
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", colour, word)
}

// Folded prints a text that may be long, folded even if the output is no terminal.
func (on *Screen) Folded(text string) { on.Out.Write(Fold([]byte(Clean(text) + "\n"))) }

// Colours of SGR (ECMA-48 §8.3.117).
const (
	Red    = 31
	Green  = 32
	Yellow = 33
)

// PrintJSON prints v. The output remembers an error.
func (on *Screen) PrintJSON(v any) {
	enc := json.NewEncoder(on.Out)
	enc.SetIndent("", "  ")
	enc.Encode(v)
}

// ShowError prints an error and, on lines of its own, its remedy. With --json it prints both as
// JSON, too.
func (on *Screen) ShowError(err error) {
	for _, line := range strings.Split(err.Error(), "\n") {
		fmt.Fprintln(on.Err, "voipbl: "+Clean(strings.ReplaceAll(line, "\t", "  ")))
	}
	remedy := problem.RemedyOf(err)
	var numbered interface{ Numbered() string }
	if errors.As(err, &numbered) && numbered.Numbered() != "" {
		fmt.Fprintln(on.Err, "  it was given, with line numbers:")
		for line := range strings.Lines(numbered.Numbered()) {
			fmt.Fprintln(on.Err, "  "+Clean(strings.TrimSuffix(line, "\n")))
		}
	}
	if remedy != "" {
		fmt.Fprintln(on.Err, "  try: "+Clean(remedy))
	}
	if on.JSON && !on.Out.used {
		on.PrintJSON(map[string]any{"error": map[string]string{"error": err.Error(), "remedy": remedy}})
	}
}

// ShowWaiting says on a terminal which process this one waits for.
func (on *Screen) ShowWaiting(holder string) {
	if on.Err.Terminal {
		fmt.Fprintf(on.Err, "waiting for %s\n", Clean(holder))
	}
}

// Draw writes a frame that positions itself, so it is not folded. It reports whether it succeeded.
func (on *Screen) Draw(frame []byte) bool {
	if _, err := on.Out.Writer.Write(frame); err != nil {
		on.Out.Failed = err
		return false
	}
	return true
}

// Size returns the size of the terminal, or 0 and 0 if there is none. A terminal that does not know
// its size is taken to have this many lines.
func (on *Screen) Size(lines int) (width, height int) {
	f, ok := on.Out.Writer.(*os.File)
	if !on.Out.Terminal || !ok {
		return 0, 0
	}
	width, height, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 || height <= 0 { // such as a serial line
		return Columns, lines
	}
	return width, height
}
